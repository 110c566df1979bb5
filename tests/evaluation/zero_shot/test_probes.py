"""Probes and scans of fitness, in the layouts of their publishers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scipy import stats
from sklearn.metrics import roc_auc_score

from evaluation.causal_lm.model import load_causal_lm
from evaluation.probing.datasets import read_task
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.fitness import read_assay
from evaluation.zero_shot.probes import read_places
from evaluation.zero_shot.result import TaskResult, items_path, model_folder, read_items, read_result, result_path
from evaluation.zero_shot.run import evaluate
from tokenizer.sequence import encode, reverse_complement

HEAD = "mutant,mutated_sequence,DMS_score,DMS_score_bin\n"


def _evaluated(model: Path, data: TaskData, out: Path) -> tuple[TaskResult, dict[str, list[Any]]]:
    assert evaluate([model], [data], out, dtype="float32") == 0
    into = model_folder(out, model)
    return read_result(result_path(into, data.spec.name)), read_items(items_path(into, data.spec.name))


def _fewer(data: TaskData, folder: Path, *tasks: str) -> TaskData:
    """The task with some of its folders: a whole suite of probes takes long."""
    files = tuple(one for one in data.spec.files if one.path.split("/")[1] in tasks)
    spec = replace(data.spec, files=files, protocol=data.spec.protocol | {"seeds": 2})
    return replace(data, spec=spec, paths=tuple(folder / one.path for one in files))


def _sequences(count: int, seed: int) -> list[tuple[str, int]]:
    """Class 1 is rich in G: counts of letters tell, as embeddings do."""
    random = np.random.default_rng(seed)
    chances = ([0.3, 0.3, 0.1, 0.3], [0.1, 0.2, 0.6, 0.1])
    return [("".join(random.choice(list("ACGT"), 40, p=chances[i % 2])), i % 2) for i in range(count)]


def test_gue_tasks_are_measured_each_and_together(
    find: Callable[[str], TaskData], folder: Path, model_directory: Path, tmp_path: Path
) -> None:
    data = _fewer(find("gue"), folder, "tf0", "H4")
    for number, one in enumerate(data.spec.files):
        (folder / one.path).parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{bases},{label}\n" for bases, label in _sequences(24, number)]
        (folder / one.path).write_text("sequence,label\n" + "".join(lines))
    result, items = _evaluated(model_directory, data, tmp_path / "out")
    values = {(one.metric, one.part): one for one in result.measures}
    assert [key for key in values if key[0] == "MCC"] == [("MCC", ""), ("MCC", "tf0"), ("MCC", "H4")]
    assert values["MCC", ""].value == pytest.approx(np.mean([values["MCC", part].value for part in ("tf0", "H4")]))
    own = [i for i, name in enumerate(items["features"]) if not name.endswith("mers")]
    assert [items["mcc"][i] for i in own] == [values["MCC", part].value for part in ("tf0", "H4")]
    assert values["MCC", "tf0"].chance == max(items["mcc"][i] for i in range(3) if i not in own)
    assert values["MCC", "tf0"].chance_name in ("3-mers", "5-mers")


@pytest.mark.parametrize(
    ("task", "name"), [("nucleotide_transformer", "H2AFZ"), ("genomic_benchmarks", "human_enhancers_cohn")]
)
def test_layouts_with_a_folder_per_task(task: str, name: str, find: Callable[[str], TaskData], folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    base = folder / task / name
    for part in ("train", "test"):
        rows = _sequences(12, len(part))
        if task == "nucleotide_transformer":
            base.mkdir(parents=True, exist_ok=True)
            names = {
                "sequence": [r[0] for r in rows],
                "name": ["x"] * 12,
                "label": [r[1] for r in rows],
                "task": [name] * 12,
            }
            parquet.write_table(pyarrow.table(names), base / f"{part}.parquet")
        else:
            for number, (bases, label) in enumerate(rows):
                into = base / part / ("negative", "positive")[label]
                into.mkdir(parents=True, exist_ok=True)
                (into / f"{number}.txt").write_text(bases)
    (file,) = [one for one in find(task).found if name in str(one)][:1]
    read = read_task(file if file.is_dir() else file.parent)
    assert (len(read.train), len(read.test), len(read.classes)) == (12, 12, 2)


def _places(human: dict[str, str], layout: str) -> str:
    head = {"bend-bed": "chromosome\tstart\tend\tsplit\tlabel", "lrb-elements": "CHROM,START,STOP,split,label"}[layout]
    first, mark = (0, "\t") if layout == "bend-bed" else (1, ",")
    splits = ("train", "valid", "test")
    starts = [100 + 20 * n + first for n in range(24)]
    rows = [("chr1", start, start + 20, splits[n % 3], n // 3 % 2) for n, start in enumerate(starts)]
    return "\n".join([head, *(mark.join(map(str, row)) for row in rows)]) + "\n"


@pytest.mark.parametrize("layout", ["bend-bed", "lrb-elements"])
def test_places_are_windows_around_their_middle(
    layout: str, human: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / ("t.bed" if layout == "bend-bed" else "t.csv")
    path.write_text(_places(human, layout))
    task = read_places(path, layout, folder / "genomes" / "hg38.fa", 30)
    assert (len(task.train), len(task.test)) == (16, 8)
    first = task.test[0][0].tobytes().decode()  # the third row: the bases [140, 160), whose middle is 150
    assert first == human["chr1"][135:165]
    with refused("no-contig", where="line 2", names="chr1"):
        (tmp_path / "other.fa").write_text(">chr9\nACGT\n")
        read_places(path, layout, tmp_path / "other.fa", 30)


def test_fitness_by_assay(
    find: Callable[[str], TaskData], folder: Path, model_directory: Path, plain_model: Any, tmp_path: Path
) -> None:
    import torch

    (folder / "dms_dna").mkdir()
    random = np.random.default_rng(2)
    expected = {}
    for assay in ("A_2020", "B_2021"):
        wild = random.choice(list("ACGT"), 40)
        lines, logs, fitness = [], [], []
        for number in range(20):
            mutant = wild.copy()
            mutant[number * 2] = "ACGT"[("ACGT".index(mutant[number * 2]) + 1) % 4]
            value = round(float(random.normal()), 1)
            lines.append(f"x{number},{''.join(mutant)},{value},{int(value > 0)}\n")
            fitness.append(value)
            total = 0.0
            for bases in ("".join(mutant), "".join(mutant)[::-1].translate(str.maketrans("ACGT", "TGCA"))):
                tokens = torch.tensor([list(bases.encode())])
                with torch.inference_mode():
                    probabilities = plain_model(tokens).logits.double().log_softmax(-1)[0, :-1]
                total += float(probabilities.gather(-1, tokens[0, 1:, None]).mean()) / 2
            logs.append(total)
        (folder / "dms_dna" / f"{assay}.csv").write_text(
            "mutant,mutated_sequence,DMS_score,DMS_score_bin\n" + "".join(lines)
        )
        expected[assay] = (stats.spearmanr(fitness, logs).statistic, roc_auc_score(np.array(fitness) > 0, logs))
    result, items = _evaluated(model_directory, find("dms_dna"), tmp_path / "out")
    values = {(one.metric, one.part): one.value for one in result.measures}
    for assay, (rho, auroc) in expected.items():
        assert values["Spearman", assay] == pytest.approx(rho, abs=1e-6)
        assert values["AUROC", assay] == pytest.approx(auroc, abs=1e-6)
    assert values["Spearman", ""] == pytest.approx(np.mean([rho for rho, _ in expected.values()]), abs=1e-6)
    assert len(items["score"]) == 40


@pytest.mark.parametrize("name", ["6-mers", "bytes"])
def test_fitness_under_another_tokenizer(
    find: Callable[[str], TaskData], folder: Path, others: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """The log-likelihood per base of both strands."""
    random = np.random.default_rng(5)
    mutants = ["".join(random.choice(list("ACGT"), 19)) for _ in range(12)]
    (folder / "dms_dna").mkdir()
    rows = "".join(f"m{n},{bases},{n},{n % 2}\n" for n, bases in enumerate(mutants))
    (folder / "dms_dna" / "a.csv").write_text(HEAD + rows)
    model, expected = load_causal_lm(others[name]), []
    for bases in mutants:
        ids = encode(bases)
        logs = np.concatenate([one.logs for one in model.log_likelihoods([ids, reverse_complement(ids)])])
        expected.append(np.nanmean(logs, dtype=np.float64))
    result, items = _evaluated(others[name], find("dms_dna"), tmp_path / "out")
    assert items["score"] == pytest.approx(expected, abs=1e-6)
    assert result.measures[0].value == pytest.approx(stats.spearmanr(range(12), expected).statistic, abs=1e-9)


@pytest.mark.parametrize(
    ("row", "kind"), [("x,ACNT,1,1", "table-value"), ("x,ACGT,,1", "table-value"), ("x,MKV,1,1", "table-value")]
)
def test_an_assay_that_is_not_dna_fails_with_its_row(
    row: str, kind: str, find: Callable[[str], TaskData], folder: Path, model_directory: Path, tmp_path: Path
) -> None:

    path = tmp_path / "a.csv"
    path.write_text(f"{HEAD}{row}\n")
    with refused("table-value", where="a.csv, line 2"):
        list(read_assay(path))
