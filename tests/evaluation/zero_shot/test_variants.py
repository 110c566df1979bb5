"""Variant tasks on made-up sets in the layouts of their publishers, against a plain loop over transformers' model."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.result import items_path, model_folder, read_items, read_result, result_path
from evaluation.zero_shot.run import evaluate
from evaluation.zero_shot.variant_tables import check_both_labels, label_place, read_variants

POSITIONS = 64
Rows = list[dict[str, Any]]


def variants(human: dict[str, str], contigs: tuple[str, ...], per_contig: int = 24) -> Rows:
    """Single bases, every fourth of them positive: a group of one positive and three controls, on one chromosome."""
    random = np.random.default_rng(9)
    rows: Rows = []
    for contig in contigs:
        for number in range(per_contig):
            position = 40 + 33 * number  # from 1
            ref = human[contig][position - 1]
            alt = random.choice([base for base in "ACGT" if base != ref])
            rows.append(
                {"contig": contig, "position": position, "ref": ref, "alt": str(alt), "label": number % 4 == 0,
                 "group": f"{contig}_{number // 4}", "value": float(np.round(random.normal(), 1))}
            )  # fmt: skip
    return rows


class Oracle:
    """Both windows whole, read by transformers' model, the mean of the strands."""

    def __init__(self, model: Any, human: dict[str, str]) -> None:
        self._model, self._human = model, human

    def delta(self, row: dict[str, Any], *, strand: str = "both", downstream: int = 32, grid: int = 1) -> float:
        contig = self._human[row["contig"]]
        at = row["position"] - 1
        found = [self._change(contig, at, row["ref"], row["alt"], downstream, grid)]
        if strand == "both":
            other = _reverse_complement(contig)
            at = len(contig) - at - 1
            found.append(
                self._change(
                    other, at, _reverse_complement(row["ref"]), _reverse_complement(row["alt"]), downstream, grid
                )
            )
        return float(np.mean(found))

    def _change(self, contig: str, at: int, ref: str, alt: str, downstream: int, grid: int) -> float:
        start = max(0, (at + downstream - POSITIONS) // grid * grid)
        end = (at + downstream - POSITIONS) // grid * grid + POSITIONS
        assert contig[at] == ref
        changed = contig[:at] + alt + contig[at + 1 :]
        return self._log_likelihood(changed[start:end]) - self._log_likelihood(contig[start:end])

    def _log_likelihood(self, bases: str) -> float:
        import torch

        tokens = torch.tensor([list(bases.encode())])
        with torch.inference_mode():
            logs = self._model(tokens).logits.double().log_softmax(-1)[0, :-1]
        return float(logs.gather(-1, tokens[0, 1:, None]).sum())


def _reverse_complement(bases: str) -> str:
    return bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.fixture(scope="module")
def oracle(plain_model: Any, human: dict[str, str]) -> Oracle:
    return Oracle(plain_model, human)


def _write(path: Path, rows: Rows) -> None:
    """CSV, TSV or Parquet, as the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="," if path.suffix == ".csv" else "\t")
        writer.writeheader()
        writer.writerows(rows)


def _traitgym(row: dict[str, Any]) -> dict[str, Any]:
    return {"chrom": row["contig"].removeprefix("chr"), "pos": row["position"], "ref": row["ref"], "alt": row["alt"],
            "label": row["label"], "tss_dist": 7, "consequence": "PLS", "match_group": row["group"]}  # fmt: skip


def _findlay(row: dict[str, Any]) -> dict[str, Any]:
    kind = "LOF" if row["label"] else ("INT", "FUNC")[row["position"] % 2]
    return {"chromosome": "17", "position (hg19)": row["position"], "reference": row["ref"],
            "alt": row["alt"], "function.score.mean": row["value"], "func.class": kind,
            "consequence": "Missense"}  # fmt: skip


def _sge(row: dict[str, Any]) -> dict[str, Any]:
    return {"chrom": "13", "pos": row["position"], "ref": row["ref"], "alt": row["alt"], "score": row["value"],
            "class": "LOF" if row["label"] else "FUNC/INT", "ref_seq": "", "var_seq": ""}  # fmt: skip


def _carbon_clinvar(row: dict[str, Any]) -> dict[str, Any]:
    return {"chrom": row["contig"].removeprefix("chr"), "pos": row["position"], "ref": row["ref"], "alt": row["alt"],
            "label": int(row["label"]), "region": "coding" if row["position"] < 450 else "non-coding"}  # fmt: skip


def _alleles(row: dict[str, Any]) -> tuple[str, str]:
    """The genome's allele second in every other row."""
    return (row["ref"], row["alt"]) if row["position"] % 2 else (row["alt"], row["ref"])


def _caqtl(row: dict[str, Any]) -> dict[str, Any]:
    first, second = _alleles(row)
    return {"chr_hg38": row["contig"], "pos_hg38": row["position"], "allele1": first, "allele2": second,
            "label": int(row["label"]), "IsUsed": True, "in_peaks": True, "Beta": 0.1}  # fmt: skip


def _dsqtl(row: dict[str, Any]) -> dict[str, Any]:
    first, second = _alleles(row)
    return {"var.chrom": row["contig"], "var.pos": row["position"], "var.allele1": first, "var.allele2": second,
            "var.label": 1 if row["label"] else -1, "var.isused": True, "obs.estimate": 0.1}  # fmt: skip


def _eqtl(row: dict[str, Any]) -> dict[str, Any]:
    return {"CHROM": row["contig"], "POS": row["position"], "ALT": row["alt"], "label": int(row["label"]),
            "tissue": "Liver", "split": "test", "distance_to_nearest_TSS": 5}  # fmt: skip


def _omim(row: dict[str, Any]) -> dict[str, Any]:
    return {"CHROM": row["contig"], "POS": row["position"], "ALT": row["alt"], "INT_LABEL": int(row["label"]),
            "split": "test"}  # fmt: skip


def _bend(row: dict[str, Any]) -> dict[str, Any]:
    return {"chromosome": row["contig"], "start": row["position"] - 1, "end": row["position"], "ref": row["ref"],
            "alt": row["alt"], "label": int(row["label"])}  # fmt: skip


ALL = ("chr1", "chr2", "chr13", "chr17")
CASES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], tuple[str, ...], str, str, dict[str, Any]]] = {
    # task: layout, contigs, file in place of the published one, score, protocol of the oracle
    "traitgym_mendelian": (_traitgym, ALL, "", "decrease", {}),
    "traitgym_complex": (_traitgym, ALL, "", "change", {}),
    "brca1": (_findlay, ("chr17",), "brca1/41586_2018_461_MOESM3_ESM.csv", "decrease", {"strand": "forward"}),
    "brca2": (_sge, ("chr13",), "", "decrease", {"strand": "forward"}),
    "clinvar_carbon": (_carbon_clinvar, ALL, "", "decrease", {"strand": "forward", "downstream": 1}),
    "dart_caqtl": (_caqtl, ALL, "", "change", {}),
    "dart_dsqtl": (_dsqtl, ALL, "", "change", {}),
    "lrb_eqtl": (_eqtl, ALL, "", "change", {}),
    "lrb_omim": (_omim, ALL, "", "decrease", {}),
    "bend_expression": (_bend, ALL, "", "change", {}),
    "bend_disease": (_bend, ALL, "", "decrease", {}),
}


@pytest.mark.parametrize("task", CASES)
def test_a_task_measures_what_its_publisher_does(
    task: str, find: Callable[[str], TaskData], folder: Path, human: dict[str, str], oracle: Oracle,
    model_directory: Path, tmp_path: Path,
) -> None:  # fmt: skip
    layout, contigs, name, score, protocol = CASES[task]
    rows = variants(human, contigs)
    _write(folder / (name or find(task).spec.files[0].path), [layout(row) for row in rows])
    data = find(task)
    assert data.missing == []
    assert evaluate([model_directory], [data], tmp_path / "out", dtype="float32") == 0
    into = model_folder(tmp_path / "out", model_directory)
    result, items = read_result(result_path(into, task)), read_items(items_path(into, task))

    deltas = {(row["contig"], row["position"]): oracle.delta(row, **protocol) for row in rows}
    named = [
        (contig if contig.startswith("chr") else f"chr{contig}", at)
        for contig, at in zip(items["contig"], items["position"], strict=True)
    ]
    assert len(named) == len(rows)
    assert items["delta"] == pytest.approx([deltas[one] for one in named], abs=2e-4)
    labels, scores = np.array(items["label"]), np.array(items["score"])
    truth = {(row["contig"], row["position"]): row["label"] for row in rows}
    assert labels.tolist() == [truth[one] for one in named]
    assert scores == pytest.approx(-np.array(items["delta"]) if score == "decrease" else np.abs(items["delta"]))
    found = {(one.metric, one.part): one for one in result.measures}
    assert found["AUROC", ""].value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found["AUPRC", ""].value == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert found["AUROC", ""].positives == len(rows) // 4
    assert result.measures[0].metric == data.spec.statistics[0]
    if "Spearman" in data.spec.statistics:
        rho = stats.spearmanr(items["value"], items["delta"]).statistic
        assert found["Spearman", ""].value == pytest.approx(rho, abs=1e-12)
    if "pairwise accuracy" in data.spec.statistics:
        _check_matched(found, items)
    for one in found.values():
        assert one.low is None or (one.high is not None and one.low <= one.value <= one.high)


def _check_matched(found: dict[tuple[str, str], Any], items: dict[str, list[Any]]) -> None:
    """Both statistics of matched sets, by loops."""
    rows = list(zip(items["contig"], items["group"], items["label"], items["score"], strict=True))
    weighted, won = 0.0, []
    for contig in {row[0] for row in rows}:
        mine = [row for row in rows if row[0] == contig]
        weighted += len(mine) / len(rows) * average_precision_score([row[2] for row in mine], [row[3] for row in mine])
    for group in {row[1] for row in rows}:
        (positive,) = [row[3] for row in rows if row[1] == group and row[2]]
        controls = [row[3] for row in rows if row[1] == group and not row[2]]
        won.append(np.mean([1.0 if positive > one else 0.5 if positive == one else 0.0 for one in controls]))
    assert found["AUPRC by chromosome", ""].value == pytest.approx(weighted, abs=1e-12)
    assert found["AUPRC by chromosome", ""].clusters == 4
    assert found["pairwise accuracy", ""].value == pytest.approx(np.mean(won), abs=1e-12)
    assert found["pairwise accuracy", ""].error == pytest.approx(np.std(won, ddof=1) / np.sqrt(len(won)), abs=1e-12)


CLINVAR = """##fileformat=VCFv4.1
##INFO=<ID=CLNSIG,Number=.,Type=String,Description="...">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO
"""


def _clinvar(human: dict[str, str]) -> str:
    """Missense, splice, synonymous and intron variants, an insertion each, and what is not plainly one or the other."""
    terms = ("SO:0001583|missense_variant", "SO:0001575|splice_donor_variant,SO:0001627|intron_variant",
             "SO:0001819|synonymous_variant", "SO:0001627|intron_variant")  # fmt: skip
    lines = []
    for number, row in enumerate(variants(human, ("chr1", "chr2"), per_contig=25)):
        contig, term = row["contig"].removeprefix("chr"), terms[number % 4]
        significance = ("Pathogenic", "Likely_benign", "Pathogenic/Likely_pathogenic", "Benign")[number // 8 % 4]
        alt = row["alt"] if number % 8 < 4 else row["ref"] + "GA"
        info = f"ALLELEID=1;CLNSIG={significance};GENEINFO=G{number % 6}:1;MC={term}"
        lines.append(f"{contig}\t{row['position']}\t1\t{row['ref']}\t{alt}\t.\t.\t{info}\n")
    left_out = ("Uncertain_significance", "Conflicting_classifications_of_pathogenicity", "drug_response")
    base = human["chr1"][860]
    lines += [f"1\t861\t1\t{base}\t{'ACGT'.replace(base, '')[0]}\t.\t.\tCLNSIG={one}\n" for one in left_out]
    return CLINVAR + "".join(lines)


def test_clinvar_by_consequence_and_length(
    find: Callable[[str], TaskData], folder: Path, human: dict[str, str], oracle: Oracle, model_directory: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("evaluation.zero_shot.variant_measures.LEAST", 3)
    (folder / "clinvar").mkdir()
    (folder / "clinvar" / "clinvar.vcf").write_text(_clinvar(human))
    assert evaluate([model_directory], [find("clinvar")], tmp_path / "out", dtype="float32") == 0
    into = model_folder(tmp_path / "out", model_directory)
    result, items = read_result(result_path(into, "clinvar")), read_items(items_path(into, "clinvar"))
    assert len(items["delta"]) == 50  # without the three that are neither
    single = [i for i, classes in enumerate(items["classes"]) if "SNV" in classes]
    assert len(single) == 26
    for i in single:
        row = {name: items[name][i] for name in ("position", "ref", "alt")} | {"contig": f"chr{items['contig'][i]}"}
        assert items["delta"][i] == pytest.approx(oracle.delta(row, grid=32), abs=2e-4)
    found = {(one.metric, one.part): one for one in result.measures}
    for part, count in (
        ("missense", 13),
        ("splice", 13),
        ("synonymous", 12),
        ("non-coding", 12),
        ("indel", 24),
        ("missense SNV", 7),
    ):
        rows = [i for i, classes in enumerate(items["classes"]) if part in classes.split("|")]
        assert len(rows) == count, part
        labels, scores = ([items[name][i] for i in rows] for name in ("label", "score"))
        assert found["AUROC", part].value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert (found["AUROC", part].count, found["AUROC", part].positives) == (count, sum(labels))
    assert found["AUROC", ""].clusters == 6  # genes


def test_what_the_genome_does_not_have_is_left_out_and_counted(
    find: Callable[[str], TaskData], folder: Path, human: dict[str, str], model_directory: Path, tmp_path: Path
) -> None:
    rows = [_traitgym(row) for row in variants(human, ALL)]
    rows[1]["ref"] = next(base for base in "ACGT" if base not in (rows[1]["ref"], rows[1]["alt"]))
    rows[2]["chrom"] = "Y"
    _write(folder / "traitgym" / "mendelian_traits_matched_9.parquet", rows)
    assert evaluate([model_directory], [find("traitgym_mendelian")], tmp_path / "out", dtype="float32") == 0
    result = read_result(result_path(model_folder(tmp_path / "out", model_directory), "traitgym_mendelian"))
    assert sorted(result.left_out.values()) == [1, 1]
    assert result.measures[0].count == len(rows) - 2


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"pos": 0}, "table-value", "pos '0'"),
        ({"pos": None}, "table-value", "pos"),
        ({"ref": "AN"}, "table-value", "ref 'AN'"),
        ({"alt": ""}, "table-value", "alt"),
        ({"label": 2}, "table-value", "label '2'"),
        ({"match_group": ...}, "table-columns", "match_group"),
    ],
)
def test_a_table_that_is_not_the_publishers_is_refused_with_its_row(
    change: dict[str, Any], kind: str, names: str, human: dict[str, str], tmp_path: Path
) -> None:
    rows = [_traitgym(row) | {"label": int(row["label"])} for row in variants(human, ALL)]
    key, value = next(iter(change.items()))
    for row in rows if value is ... else rows[4:5]:
        row.pop(key) if value is ... else row.update(change)
    _write(tmp_path / "t.parquet", rows)
    with refused(kind, where="t.parquet" if value is ... else "t.parquet, row 5", names=names):
        read_variants(tmp_path / "t.parquet", "traitgym", tmp_path)


@pytest.mark.parametrize(
    ("content", "layout", "kind"),
    [
        (b"", "traitgym", "not-a-table"),
        (b"PAR1 and no more", "traitgym", "not-a-table"),
        (b"no\tsuch\tcolumns\n", "dart-caqtl", "table-columns"),
        (b"\xff\xfe\x00", "dart-caqtl", "not-a-table"),
        (b"chr_hg38\tpos_hg38\tallele1\tallele2\tlabel\tIsUsed\tin_peaks\n", "dart-caqtl", "table-empty"),
        (b"no spreadsheet", "findlay", "not-a-table"),
        (b"##fileformat=VCFv4.1\n", "clinvar-vcf", "vcf-columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, layout: str, kind: str, tmp_path: Path) -> None:
    name = {"traitgym": "t.parquet", "dart-caqtl": "t.tsv", "findlay": "t.xlsx", "clinvar-vcf": "t.vcf"}[layout]
    (tmp_path / name).write_bytes(content)
    with refused(kind) as caught:
        read_variants(tmp_path / name, layout, tmp_path)
    assert name in str(caught.value.where)


def test_the_published_spreadsheet_is_read_below_its_title(human: dict[str, str], tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    rows = [_findlay(row) for row in variants(human, ("chr17",))]
    book = openpyxl.Workbook()
    for cells in (["Supplementary Table 1"], [], list(rows[0]), *(list(row.values()) for row in rows)):
        book.active.append(cells)
    book.save(tmp_path / "t.xlsx")
    found = read_variants(tmp_path / "t.xlsx", "findlay", tmp_path)
    assert [(one.contig, one.position, one.label) for one in found[:2]] == [("17", 40, True), ("17", 73, False)]


def test_one_label_alone_is_a_failure_that_is_said(
    find: Callable[[str], TaskData], folder: Path, human: dict[str, str], model_directory: Path, tmp_path: Path
) -> None:
    rows = [_bend(row) | {"label": 0} for row in variants(human, ("chr1",))]
    _write(folder / "bend" / "variant_effects_disease.bed", rows)
    assert evaluate([model_directory], [find("bend_disease")], tmp_path / "out", dtype="float32") == 1
    result = read_result(result_path(model_folder(tmp_path / "out", model_directory), "bend_disease"))
    assert result.failed is not None
    assert "variant_effects_disease.bed, column label: 0 of 24 variants are positive" in result.failed
    assert result.measures == ()
    with refused("one-label", where="t.vcf, column INFO, key CLNSIG", names="1 of 1", fix="genome"):
        check_both_labels([True], label_place(Path("t.vcf"), "clinvar-vcf"), left_out=3)


def test_rows_that_repeat_a_variant_are_counted_and_said(
    find: Callable[[str], TaskData], folder: Path, human: dict[str, str], model_directory: Path, tmp_path: Path
) -> None:
    rows = [_traitgym(row) for row in variants(human, ALL)]
    _write(folder / "traitgym" / "mendelian_traits_matched_9.parquet", [*rows, *rows[:3]])
    assert evaluate([model_directory], [find("traitgym_mendelian")], tmp_path / "out", dtype="float32") == 0
    result = read_result(result_path(model_folder(tmp_path / "out", model_directory), "traitgym_mendelian"))
    assert result.measures[0].count == len(rows) + 3
    (note,) = (note for note in result.notes if "repeat" in note)
    assert note == "3 rows of mendelian_traits_matched_9.parquet repeat a variant of another row; each row counts"
