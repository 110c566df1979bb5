"""Annotation, genes, and the tasks on them, against values worked out by hand on made-up genomes."""

import gzip
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.causal_lm.model import load_causal_lm
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.windows import plan_placement
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.kinds import run_task
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.annotation import Feature, contigs_of, read_features
from evaluation.zero_shot.sequence.classes import CLASSES, classify
from evaluation.zero_shot.sequence.edits import edit_effects, insert_bases, replace_bases
from evaluation.zero_shot.sequence.essentiality import STOP_CODONS, read_labels
from evaluation.zero_shot.sequence.genes import Gene, read_genes, translate
from evaluation.zero_shot.sequence.intervals import area_estimates, mean_estimate
from evaluation.zero_shot.sequence.needle import Protocol as NeedleProtocol
from evaluation.zero_shot.sequence.needle import draw
from evaluation.zero_shot.sequence.perturbation import Protocol, changes, single_changes
from evaluation.zero_shot.sequence.recovery import compare, identity
from evaluation.zero_shot.sequence.spectrum import codons, divergence, kmers
from evaluation.zero_shot.spec import SourceFile, TaskSpec
from tokenizer.sequence import decode, encode, reverse_complement

PLUS = "ATGGCTAAACGTTGGGATTAA"  # M A K R W D *
MINUS = "GTGCCAGAATTCCATTAG"  # M P E F H *, from another start
SPLICED = ("ATGTCT", "GTAAGTTTCAG", "GAACGTTGA")  # M S E R *, with an intron
LEFT = "ccatTACGCATTAGACCATTTGCAGGACGTATCCATTTACAGGAGGTACCA"  # 50 bases, four of them soft-masked
MIDDLE = "TTACGACCAGATACCGATTAGGGACCATTA"
RIGHT = "CCATTGACGGATTACAGGACCATTTACGGGACCATTACAGGAATTCATTCGACCGGCAT"


def revcomp(text: str) -> str:
    return decode(reverse_complement(encode(text)))


CONTIG = LEFT + PLUS + MIDDLE + revcomp(MINUS) + MIDDLE + "".join(SPLICED) + RIGHT
P, M = len(LEFT), len(LEFT) + len(PLUS) + len(MIDDLE)
S = M + len(MINUS) + len(MIDDLE)


def gff(contig: str = "c") -> str:
    end = S + sum(map(len, SPLICED))
    rows = [
        ("gene", P, P + 21, "+", "ID=g1;Name=one"),
        ("CDS", P, P + 21, "+", "ID=cds1;Parent=g1;gene=one"),
        ("CDS", M, M + 18, "-", "ID=cds2;Parent=g2;locus_tag=two"),
        ("mRNA", S - 4, end + 5, "+", "ID=t3;Parent=g3"),
        ("exon", S - 4, S + 6, "+", "Parent=t3"),
        ("CDS", S, S + 6, "+", "Parent=t3;gene=three"),
        ("exon", S + 17, end + 5, "+", "Parent=t3"),
        ("CDS", S + 17, end, "+", "Parent=t3;gene=three"),
        ("CDS", P, P + 20, "+", "ID=x;gene=ragged"),
        ("CDS", P + 3, P + 21, "+", "ID=y;gene=headless"),
    ]
    lines = [f"{contig}\ttest\t{kind}\t{a + 1}\t{b}\t.\t{strand}\t0\t{text}" for kind, a, b, strand, text in rows]
    return "##gff-version 3\n" + "\n".join(lines) + "\n##FASTA\n>c\nACGT\n"


def gtf() -> str:
    """The same genes as Ensembl writes them: the stop codon is none of the CDS."""
    end = S + sum(map(len, SPLICED))
    rows = [
        ("CDS", P, P + 18, "+", "one", "t1"),
        ("CDS", M + 3, M + 18, "-", "two", "t2"),
        ("CDS", S, S + 6, "+", "three", "t3"),
        ("CDS", S + 17, end - 3, "+", "three", "t3"),
    ]
    return "".join(
        f'c\tx\t{kind}\t{a + 1}\t{b}\t.\t{strand}\t0\tgene_id "G"; transcript_id "{t}"; gene_name "{name}";\n'
        for kind, a, b, strand, name, t in rows
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("genome")
    (found / "g.fa").write_text(f">c\n{CONTIG}\n>other\nACGTACGTTT\n")
    (found / "g.gff3").write_text(gff())
    (found / "g.gtf.gz").write_bytes(gzip.compress(gtf().encode()))
    return found


def context_of(
    model: Any,
    folder: Path,
    kind: str,
    layout: str,
    names: tuple[str, ...],
    statistics: tuple[str, ...],
    **protocol: Any,
) -> Context:
    spec = TaskSpec(
        title="t", kind=kind, layout=layout, files=tuple(SourceFile(path=name) for name in names),
        statistics=statistics, seen="", name="t", protocol=protocol,
    )  # fmt: skip
    data = TaskData(spec=spec, folder=folder, paths=tuple(folder / name for name in names))
    return Context(model=model, directory=folder, data=data, folder=folder, dtype="float32", batch_size=4)


def by_part(found: Found) -> dict[tuple[str, str], Measure]:
    return {(one.metric, one.part): one for one in found.measures}


# --- annotation ---


@pytest.mark.parametrize("name", ["g.gff3", "g.gtf.gz"])
def test_genes_of_either_format_are_the_same(folder: Path, name: str) -> None:
    """On both strands, spliced, with and without the stop codon in the CDS; attributes of GTF and of GFF3."""
    genome = read_genes([folder / "g.fa", folder / name], "gff")
    assert {one.name: one.sequence for one in genome.genes} == {
        "one": PLUS,
        "two": MINUS,
        "three": "".join(SPLICED[::2]),
    }
    places = {one.name: one.places.tolist() for one in genome.genes}
    assert places["two"] == list(range(M + 17, M - 1, -1))
    assert places["three"] == [*range(S, S + 6), *range(S + 17, S + 26)]
    if name == "g.gff3":
        assert genome.left_out == {"with a length that is not a multiple of 3": 1, "without a start codon": 1}


def test_the_genetic_code_is_the_standard_one() -> None:
    """Pinned against NCBI's table 1 for a codon of each amino acid."""
    pinned = {"TTT": "F", "CTG": "L", "ATA": "I", "ATG": "M", "GTC": "V", "AGC": "S", "CCA": "P", "ACG": "T"}
    pinned |= {"GCT": "A", "TAC": "Y", "CAT": "H", "CAG": "Q", "AAC": "N", "AAA": "K", "GAT": "D", "GAG": "E"}
    pinned |= {"TGC": "C", "TGG": "W", "CGA": "R", "AGG": "R", "GGT": "G", "TAA": "*", "TAG": "*", "TGA": "*"}
    assert all(translate(codon) == amino for codon, amino in pinned.items())
    assert translate("ATGNNNTAAC") == "MX*"


BROKEN: dict[str, tuple[str, str, str]] = {
    "empty": ("", "empty-file", "bad.gff"),
    "comments": ("##gff-version 3\n", "annotation-empty", "bad.gff"),
    "bed": ("c\t1\t5\tx\n", "not-gff", "line 1"),
    "words": ("c\tx\tCDS\tone\t9\t.\t+\t0\tID=a\n", "not-gff", "line 1"),
    "backwards": ("c\tx\tCDS\t9\t5\t.\t+\t0\tID=a\n", "gff-empty-feature", "line 1"),
    "from zero": ("c\tx\tCDS\t0\t5\t.\t+\t0\tID=a\n", "gff-empty-feature", "line 1"),
    "strand": ("#\nc\tx\tCDS\t1\t6\t.\t1\t0\tID=a\n", "gff-strand", "line 2"),
    "no CDS": ("c\tx\tgene\t1\t6\t.\t+\t0\tID=a\n", "annotation-without-cds", "bad.gff"),
    "another genome": ("chrX\tx\tCDS\t1\t6\t.\t+\t0\tID=a\n", "annotation-foreign", "bad.gff"),
    "beyond": ("c\tx\tCDS\t1\t9999\t.\t+\t0\tID=a\n", "annotation-beyond-contig", "line 1"),
    "no gene": ("c\tx\tCDS\t1\t6\t.\t+\t0\tID=a\n", "no-whole-gene", "bad.gff"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_an_annotation_that_does_not_fit_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    text, kind, where = BROKEN[name]
    (tmp_path / "bad.gff").write_text(text)
    with refused(kind, where=where):
        read_genes([folder / "g.fa", tmp_path / "bad.gff"], "gff")


def test_features_on_contigs_that_are_not_there_are_counted(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more.gff").write_text(gff().partition("##FASTA")[0] + "plasmid\tx\tCDS\t1\t6\t.\t+\t0\tID=a\n")
    genome = read_genes([folder / "g.fa", tmp_path / "more.gff"], "gff")
    assert genome.left_out["on a contig that the FASTA file lacks"] == 1
    assert len(genome.genes) == 3


def test_open_reading_frames_stand_in_for_genes(tmp_path: Path) -> None:
    """One on each strand, of 300 bases; a longer one wins over those that overlap it; short ones are none."""
    one = "ATG" + "GCTAAACGT" * 33 + "TAA"  # 303 bases
    two = "ATG" + "CCAGAATTC" * 40 + "TAG"
    short = "ATG" + "GCC" * 20 + "TGA"
    (tmp_path / "o.fa").write_text(f">c\nTAGTTTAATAA{one}TTAGTTAATTAG{revcomp(two)}TTAGTTAGTTAG{short}TTAG\n")
    genome = read_genes([tmp_path / "o.fa"], "orfs")
    assert [(gene.sequence, gene.reverse) for gene in genome.genes] == [(one, False), (two, True)]
    with refused("no-whole-gene", where="s.fa"):
        (tmp_path / "s.fa").write_text(f">c\n{short}\n")
        read_genes([tmp_path / "s.fa"], "orfs")


def test_classes_of_bases(folder: Path) -> None:
    """CDS first, then the rest of exons, soft-masked, introns, and what is left."""
    features = [one for one in read_features(folder / "g.gff3") if "cds2" not in one.parent]
    found = classify(encode(CONTIG), features)
    words = [CLASSES[number] for number in found]
    assert words[:4] == ["repeat"] * 4
    assert set(words[P : P + 21]) == {"CDS"}
    assert words[S - 4 : S] == ["UTR"] * 4
    assert set(words[S + 6 : S + 17]) == {"intron"}
    assert words[S + 26 : S + 31] == ["UTR"] * 5
    assert words[S + 31 :] == ["intergenic"] * (len(CONTIG) - S - 31)
    exons = [Feature(contig="c", start=at, end=at + 2, kind="exon", strand="+", parent="t") for at in (0, 4)]
    alone = classify(encode("ACGTAC"), exons)
    assert [CLASSES[number] for number in alone] == ["UTR", "UTR", "intron", "intron", "UTR", "UTR"]


def test_a_bed_file_beyond_its_contig_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.bed").write_text("c\t0\t9\tx\nc\t5\t9999\ty\n")
    features = read_features(tmp_path / "b.bed")
    with refused("annotation-beyond-contig", where="line 2"):
        contigs_of(folder / "g.fa", features, tmp_path / "b.bed")


# --- changes ---


def test_every_change_is_what_its_name_says() -> None:
    """All 63 single changes of one gene; counted by hand for three codons."""
    gene = Gene(name="one", contig="c", reverse=False, places=np.arange(21), sequence=PLUS)
    found: dict[str, list[str]] = {}
    for at, letter, kind in single_changes(gene):
        found.setdefault(kind, []).append(f"{at}{letter}")
        mutant = PLUS[:at] + letter + PLUS[at + 1 :]
        before, after = translate(PLUS), translate(mutant)
        expected = {
            "synonymous": after == before,
            "missense": after != before and "*" not in after[1:-1] and after[-1] == "*" and at > 2,
            "nonsense": "*" in after[1:-1],
            "start lost": mutant[:3] not in ("ATG", "GTG", "TTG"),
            "stop lost": after[-1] != "*",
        }
        assert expected[kind], (at, letter, kind)
    assert found["start lost"] == ["0C", "1A", "1C", "1G", "2A", "2C", "2T"]  # GTG and TTG start as well
    assert [one for one in found["synonymous"] if one.startswith(("3", "4", "5"))] == ["5A", "5C", "5G"]  # GCN
    assert [one for one in found["nonsense"] if one[:2] in ("13", "14")] == ["13A", "14A"]  # TGG to TAG, TGA
    assert len(found["stop lost"]) == 7  # TAA to TAG and TGA are stops too


def spelled(contig: str, position: int, ref: str, alt: str) -> str:
    assert contig[position : position + len(ref)].upper() == ref
    return contig[:position] + alt + contig[position + len(ref) :]


def test_changes_land_on_the_gene_whatever_its_strand(folder: Path) -> None:
    genome = read_genes([folder / "g.fa", folder / "g.gff3"], "gff")
    genes = {one.name: one for one in genome.genes}
    contig = genome.contigs["c"]
    edit = replace_bases(genes["two"], "x", 4, "T", contig)  # CCA to CTA
    mutant = spelled(CONTIG, edit.position, edit.ref, edit.alt)
    assert revcomp(mutant[M : M + 18]) == MINUS[:4] + "T" + MINUS[5:]
    for name, start in (("one", P), ("two", M)):
        edit = insert_bases(genes[name], "stops", 12, STOP_CODONS, contig)
        mutant = spelled(CONTIG, edit.position, edit.ref, edit.alt)
        sequence = genes[name].sequence
        inside = mutant[start : start + len(sequence) + len(STOP_CODONS)]
        assert (revcomp(inside) if name == "two" else inside) == sequence[:12] + STOP_CODONS + sequence[12:]
    shuffled = {
        (name, one.kind): one
        for name in ("one", "two")
        for one in changes(genes[name], contig, Protocol(site="kozak", each=1))
        if "shuffled" in one.kind
    }
    for name, low, high in (("one", P - 9, P), ("two", M + 18, M + 27)):
        site = shuffled[name, "site shuffled"]
        assert (site.position, site.position + len(site.ref)) == (low, high)
        assert sorted(site.ref) == sorted(site.alt)
        assert site.ref != site.alt
    assert ("one", "spacer shuffled") not in shuffled  # it would begin before the contig


def test_effects_are_differences_of_whole_windows(folder: Path, tiny_model: Any) -> None:
    """Of both strands and every length, against both sequences scored from their start."""
    import torch

    genome = read_genes([folder / "g.fa", folder / "g.gff3"], "gff")
    contig, genes = genome.contigs["c"], genome.genes
    edits = [edit for gene in genes for edit in changes(gene, contig, Protocol(site="kozak", each=2))]
    edits += [insert_bases(gene, "stops", 6, STOP_CODONS, contig) for gene in genes]
    context = context_of(tiny_model, folder, "perturbation", "gff", ("g.fa", "g.gff3"), ("AUROC",))
    placement = plan_placement(24, window=24, downstream=12, grid=1)

    def log_likelihood(text: str) -> float:
        tokens = torch.tensor([list(text.encode())])
        with torch.inference_mode():
            logs = torch.log_softmax(tiny_model(input_ids=tokens[:, :-1], use_cache=False).logits.double(), -1)
        return float(logs.gather(-1, tokens[:, 1:, None]).sum())

    def by_hand(edit: Any, reverse: bool) -> float:
        upper = CONTIG.upper()
        mutant = spelled(upper, edit.position, edit.ref, edit.alt)
        length, at = len(upper), edit.position
        if reverse:
            upper, mutant, at = revcomp(upper), revcomp(mutant), length - edit.position - len(edit.ref)
        start = max(0, at + 12 - 24)
        end = min(length, start + 24)
        one, other = upper[start:end], mutant[start:end]
        size = min(len(one), len(other))
        return log_likelihood(other[:size]) - log_likelihood(one[:size])

    found = edit_effects(context, edits, genome.contigs, placement, "gene")
    for edit, delta in zip(edits, found, strict=True):
        if len(edit.ref) == len(edit.alt):
            assert delta == pytest.approx(by_hand(edit, edit.reverse), abs=2e-4), edit
    both = edit_effects(context, edits[:4], genome.contigs, placement, "both")
    for edit, delta in zip(edits[:4], both, strict=True):
        assert delta == pytest.approx((by_hand(edit, False) + by_hand(edit, True)) / 2, abs=2e-4)
    assert np.isfinite(found).all()


# --- statistics ---


def test_intervals_are_over_clusters() -> None:
    """Twice the same items tell nothing; one cluster alone has no interval."""
    random = np.random.default_rng(3)
    scores, labels = random.integers(0, 9, 60).astype(float), random.random(60) < 0.4
    clusters = random.integers(0, 12, 60).tolist()
    once = area_estimates(scores, labels, clusters)["AUROC"]
    twice = area_estimates(np.tile(scores, 2), np.tile(labels, 2), clusters * 2)["AUROC"]
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    found = mean_estimate(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    assert (found.value, found.low, found.high) == (pytest.approx(11 / 3), 1.0, 5.0)
    assert mean_estimate(np.array([3.0]), np.array([2.0])).low is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("ACGT", "ACGT", 1.0), ("ACG", "ACGT", 0.75), ("AACGT", "ACGT", 1.0), ("TTTT", "ACGA", 0.0), ("", "ACGT", 0.0)],
)
def test_identity_of_an_alignment(one: str, other: str, expected: float) -> None:
    assert identity(one, other) == expected


def test_identity_agrees_with_a_plain_alignment() -> None:
    def plain(one: str, other: str) -> float:
        table = {(i, j): (0, 0) for i in range(len(one) + 1) for j in range(len(other) + 1)}
        for i in range(len(one) + 1):
            for j in range(len(other) + 1):
                options = [(0, 0)] if i == j == 0 else []
                if i:
                    options.append((table[i - 1, j][0] - 1, table[i - 1, j][1]))
                if j:
                    options.append((table[i, j - 1][0] - 1, table[i, j - 1][1]))
                if i and j:
                    same = one[i - 1] == other[j - 1]
                    options.append((table[i - 1, j - 1][0] + (1 if same else -1), table[i - 1, j - 1][1] + same))
                table[i, j] = max(options)
        return table[len(one), len(other)][1] / len(other)

    random = np.random.default_rng(8)
    for _ in range(40):
        one, other = ("".join(random.choice(list("ACGT"), int(size))) for size in random.integers(1, 14, 2))
        assert identity(one, other) == plain(one, other), (one, other)


def test_a_protein_is_compared_up_to_the_stop_that_was_written() -> None:
    dna, protein = compare("GCTTAAGCTGCT", "GCTGCTGCTGCT")  # A*AA against AAAA
    assert dna == 10 / 12
    assert protein == 0.25


def test_words_and_codons_are_counted() -> None:
    assert kmers(encode("ACGTA"), 2).nonzero()[0].tolist() == [1, 6, 11, 12]  # AC CG GT TA
    assert codons(encode("ATGAAATAAATG")).sum() == 3  # up to the stop
    assert codons(encode("ATGAAATAAATG"))[0] == 1  # AAA
    assert kmers(encode("A"), 3).sum() == 0


def test_divergence_agrees_with_scipy() -> None:
    from scipy.spatial.distance import jensenshannon  # type: ignore[import-untyped]

    random = np.random.default_rng(0)
    one, other = random.integers(0, 9, 64).astype(float), random.integers(0, 9, 64).astype(float)
    assert divergence(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-12)
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 3.0])) == 1.0
    assert divergence(one, 7 * one) == pytest.approx(0.0, abs=1e-12)


# --- tasks ---


def test_bits_per_base_of_classes_add_up(folder: Path, tiny_model: Any) -> None:
    """All classes together are the whole, as the likelihood task has it."""
    context = context_of(tiny_model, folder, "annotation-classes", "gff", ("g.fa", "g.gff3"), ("bits per base",))
    found = run_task(context)
    parts = by_part(found)
    assert {part for _, part in parts} == set(CLASSES)
    assert parts["bits per base", "CDS"].count == 21 + 18 + 15
    (folder / "c.fa").write_text(f">c\n{CONTIG}\n")
    whole = run_task(context_of(tiny_model, folder, "likelihood", "fasta", ("c.fa",), ("bits per base",)))
    (alone,) = whole.measures
    nats = sum(one.value * one.count for one in found.measures)
    assert sum(one.count for one in found.measures) == alone.count
    assert nats / alone.count == pytest.approx(alone.value, abs=1e-6)
    assert sum(found.items["nats"]) == pytest.approx(alone.value * alone.count * math.log(2), abs=1e-4)


def test_bits_per_base_by_source(folder: Path, tiny_model: Any) -> None:
    (folder / "a.fa").write_text(f">c\n{CONTIG}\n")
    (folder / "b.fa").write_text(f">d\n{MIDDLE * 3}\n")
    found = run_task(context_of(tiny_model, folder, "likelihood", "fasta", ("a.fa", "b.fa"), ("bits per base",)))
    parts = by_part(found)
    assert [part for _, part in parts] == ["", "a", "b"]
    total = sum(parts["bits per base", name].value * parts["bits per base", name].count for name in "ab")
    assert total / parts["bits per base", ""].count == pytest.approx(parts["bits per base", ""].value)


def test_records_without_bases_are_not_resampled(folder: Path, tiny_model: Any) -> None:
    """Resamples of such records alone have no value: counted as 0, they would be the interval's lower end."""
    (folder / "n.fa").write_text(">n\nNNNNNNNN\n>c\nACGTACGTACGT\n>one\nA\n")
    (found,) = run_task(context_of(tiny_model, folder, "likelihood", "fasta", ("n.fa",), ("bits per base",))).measures
    assert (found.low, found.high, found.clusters, found.count) == (None, None, 1, 11)


@pytest.mark.parametrize("names", [("d.fa", "d.fna"), ("d.fa", "deeper/d.fa"), ("d.fa", "d.fna", "deeper/d.fa")])
def test_sources_of_one_name_are_all_there(folder: Path, tiny_model: Any, names: tuple[str, ...]) -> None:
    (folder / "deeper").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_text(f">c\n{CONTIG[: 30 + number]}\n")
    parts = by_part(run_task(context_of(tiny_model, folder, "likelihood", "fasta", names, ("bits per base",))))
    assert [one.count for one in parts.values()][1:] == [29 + number for number in range(len(names))]


def test_variants_of_another_genome_are_refused_at_their_file(folder: Path, tiny_model: Any) -> None:
    head = "chromosome\tstart\tend\tref\talt\tlabel\n"
    (folder / "v.bed").write_text(head + "elsewhere\t5\t6\tA\tC\t1\nelsewhere\t7\t8\tA\tC\t0\n")
    context = context_of(tiny_model, folder, "variants", "bend-variants", ("v.bed", "g.fa"), ("AUROC",))
    spec = replace(context.spec, genome="hg38")
    with refused("genome-foreign", where="v.bed", fix="g.fa"):
        run_task(replace(context, data=replace(context.data, spec=spec)))
    assert not (folder / "t.vcf").exists()


def test_classes_of_a_bed_file(folder: Path, tiny_model: Any) -> None:
    (folder / "r.bed").write_text("c\t10\t60\tpromoter\nc\t50\t90\tenhancer\n")
    names = ("g.fa", "r.bed")
    parts = by_part(run_task(context_of(tiny_model, folder, "annotation-classes", "bed", names, ("nats per base",))))
    counts = {part: one.count for (_, part), one in parts.items()}
    assert counts == {"promoter": 40, "enhancer": 40, "intergenic": len(CONTIG) - 1 - 80}


def test_perturbations_by_kind(folder: Path, tiny_model: Any) -> None:
    context = context_of(
        tiny_model, folder, "perturbation", "gff", ("g.fa", "g.gff3"), ("AUROC", "mean change"), each=3, site="kozak"
    )
    found = run_task(context)
    parts = by_part(found)
    assert ("AUROC", "missense against synonymous") in parts
    assert parts["AUROC", "missense against synonymous"].clusters == 3
    kinds = np.array(found.items["kind"])
    deltas = np.array(found.items["delta"])
    mean = parts["mean change", "nonsense"]
    assert mean.value == pytest.approx(deltas[kinds == "nonsense"].mean())
    assert any("comparable" in note for note in found.notes)  # 24 positions, in place of 8,192
    assert run_task(context).items == found.items
    with refused("unknown-site"):
        run_task(context_of(tiny_model, folder, "perturbation", "gff", ("g.fa", "g.gff3"), ("AUROC",), site="tata"))


def test_essential_genes(folder: Path, tiny_model: Any) -> None:
    (folder / "e.tsv").write_text("gene\tessential\nONE\t1\ntwo\t0\nthree\tno\nunknown\t1\n")
    names = ("g.fa", "g.gff3", "e.tsv")
    found = run_task(context_of(tiny_model, folder, "essentiality", "table", names, ("AUROC", "AUPRC"), at=6))
    rows = dict(zip(found.items["gene"], zip(found.items["essential"], found.items["delta"], strict=True), strict=True))
    assert {name: label for name, (label, _) in rows.items()} == {"one": True, "two": False, "three": False}
    beaten = [rows["one"][1] < rows[name][1] for name in ("two", "three")]
    assert found.measures[0].value == sum(beaten) / 2
    (folder / "deg.dat").write_text("#org\tid\tname\nDEG1\tx\ttwo\nDEG2\tx\tone\n")
    deg = (*names[:2], "deg.dat")
    found = run_task(context_of(tiny_model, folder, "essentiality", "deg", deg, ("AUROC",), at=6, organism="DEG1"))
    assert dict(zip(found.items["gene"], found.items["essential"], strict=True)) == {
        "one": False, "two": True, "three": False
    }  # fmt: skip
    with refused("labels-of-one-kind", where="one.tsv, column essential"):
        (folder / "one.tsv").write_text("gene,essential\none,1\n")
        run_task(context_of(tiny_model, folder, "essentiality", "table", (*names[:2], "one.tsv"), ("AUROC",)))


LABELS: Mapping[str, tuple[str, str]] = {
    "columns": ("name,essential\na,1\n", "essentiality-columns"),
    "value": ("gene,essential\na,perhaps\n", "essentiality-value"),
    "twice": ("gene,essential\na,1\nA,0\n", "essentiality-contradicts"),
    "empty": ("gene,essential\n", "essentiality-empty"),
    "nothing": ("", "empty-file"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_that_are_wrong_are_refused(tmp_path: Path, name: str) -> None:
    text, kind = LABELS[name]
    (tmp_path / "l.csv").write_text(text)
    with refused(kind):
        read_labels(tmp_path / "l.csv", "table")


def test_needles_are_of_the_genome(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    contig = random.choice(np.frombuffer(b"ACGT", np.uint8), 500)
    contig[250] = ord("N")
    samples = list(draw([contig, contig[:50]], 128, NeedleProtocol(samples=20)))
    text = contig.tobytes()
    assert len(samples) == 20
    for one in samples:
        assert len(one.with_needle) == len(one.without) == 192
        assert one.with_needle[:64].tolist() == one.with_needle[-64:].tolist() == one.without[-64:].tolist()
        assert one.with_needle[64:].tolist() == one.without[64:].tolist()
        assert one.with_needle[:128].tobytes() in text
        assert one.without[:64].tobytes() in text
        assert (one.with_needle[:64] != one.without[:64]).any()
        assert ord("N") not in one.with_needle


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tiny_llama import save_tiny_llama

    from evaluation.likelihood.model import load_model

    return load_model(save_tiny_llama(tmp_path_factory.mktemp("long"), positions=256), device="cpu")


def test_the_needle_task_measures_the_gain(longer: Any, folder: Path) -> None:
    random = np.random.default_rng(5)
    (folder / "n.fa").write_text(">c\n" + "".join(random.choice(list("ACGT"), 400)) + "\n")
    protocol = {"distances": [64, 128, 1000], "samples": 4}
    context = context_of(longer, folder, "genome-needle", "fasta", ("n.fa",), ("gain", "bits per base"), **protocol)
    found = run_task(context)
    parts = by_part(found)
    assert [part for metric, part in parts if metric == "gain"] == ["64 bases apart", "128 bases apart"]
    costs, controls = np.array(found.items["bits"])[:4], np.array(found.items["bits_of_control"])[:4]
    assert parts["gain", "64 bases apart"].value == pytest.approx((controls - costs).mean())
    assert parts["bits per base", "64 bases apart"].chance == pytest.approx(controls.mean())
    (folder / "short.fa").write_text(">c\nACGTACGTAC\n")
    with refused("genome-too-short", where="short.fa"):
        run_task(context_of(longer, folder, "genome-needle", "fasta", ("short.fa",), ("gain",), **protocol))


def test_genes_are_continued(longer: Any, folder: Path) -> None:
    protocol = {"upstream": 20, "share": 0.5, "length": 9}
    context = context_of(
        longer, folder, "recovery", "gff", ("g.fa", "g.gff3"), ("DNA identity", "protein identity"), **protocol
    )
    found = run_task(context)
    assert found.items["gene"] == ["one", "two"]
    assert found.left_out["with introns"] == 1
    assert found.items["bases"] == [9, 9]
    assert all(0 <= value <= 1 for value in found.items["dna_identity"])
    assert found.measures[0].value == pytest.approx(np.mean(found.items["dna_identity"]))
    truths = (PLUS[9:18], MINUS[9:18])
    assert found.measures[0].chance == (identity(*truths) + identity(*truths[::-1])) / 2  # each gene for the other


def test_generated_sequence_is_compared_with_real(longer: Any, folder: Path) -> None:
    random = np.random.default_rng(5)
    (folder / "s.fa").write_text(">c\n" + "".join(random.choice(list("ACGT"), 900, p=[0.4, 0.1, 0.1, 0.4])) + "\n")
    protocol = {"prompts": 6, "prompt": 20, "length": 60, "k": [1, 3]}
    metric = ("Jensen-Shannon divergence",)
    found = run_task(context_of(longer, folder, "spectrum", "fasta", ("s.fa",), metric, **protocol))
    parts = by_part(found)
    assert [part for _, part in parts] == ["1-mers", "3-mers"]
    for one in parts.values():
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.value <= one.high <= 1
    assert all(len(text) == 60 for text in found.items["generated"])
    coding = {"prompts": 6, "prompt": 20, "length": 12, "k": [1]}
    found = run_task(context_of(longer, folder, "spectrum", "gff", ("g.fa", "g.gff3"), metric, **coding))
    assert [one.part for one in found.measures] == ["1-mers", "codons"]
    assert found.items["real"] == [PLUS[3:15], MINUS[3:15], "".join(SPLICED[::2])[3:15]]
    with refused("prompt-too-long"):
        run_task(context_of(longer, folder, "spectrum", "fasta", ("s.fa",), metric, prompt=250))


@pytest.mark.parametrize("name", ["6-mers", "bpe", "bytes"])
def test_variants_under_other_tokenizers(folder: Path, others: dict[str, Path], name: str) -> None:
    """The change of the log-likelihood of the whole window, on both strands, against sums of tokens by hand."""
    import torch

    model = load_causal_lm(others[name])
    places = [70, 90, 111]
    lines = [f"c\t{at + 1}\t.\t{CONTIG[at]}\t{'ACGT'[('ACGT'.index(CONTIG[at]) + 1) % 4]}\t.\t.\t." for at in places]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / f"{name}.vcf").write_text(header + "\n".join(lines) + "\n")
    placement = plan_placement(16, window=14, downstream=6, grid=1)
    run = VariantRun(
        model=others[name], fasta=folder / "g.fa", vcf=folder / f"{name}.vcf", placement=placement, strand="both",
        dtype="float32",
    )  # fmt: skip

    def total(text: str) -> float:
        ids = list(text.encode()) if model.tokenizer is None else model.tokenizer(text)["input_ids"]
        ids = ids[:-1] if name == "6-mers" else ids  # without EOS
        with torch.inference_mode():
            logs = torch.log_softmax(model.model(torch.tensor([ids[:-1]])).logits[0].double(), -1)
        return float(logs.gather(-1, torch.tensor(ids[1:])[:, None]).sum())

    for at, effect in zip(places, score_variants(model, run).effects, strict=True):
        assert effect is not None
        alt = "ACGT"[("ACGT".index(CONTIG[at]) + 1) % 4]
        mutant = CONTIG[:at] + alt + CONTIG[at + 1 :]
        forward = total(mutant[at - 8 : at + 6]) - total(CONTIG[at - 8 : at + 6])
        reverse = total(revcomp(mutant[at - 5 : at + 9])) - total(revcomp(CONTIG[at - 5 : at + 9]))
        assert effect.delta == pytest.approx((forward + reverse) / 2, abs=1e-5)


WATCHED: list[tuple[str, str, dict[str, Any]]] = [
    ("perturbation", "Scoring t", {"each": 1, "site": "kozak"}),
    ("perturbation", "Scoring t", {"each": 1, "site": "kozak", "strand": "both"}),
    ("annotation-classes", "Reading t", {}),
    ("likelihood", "Scoring g.fa", {}),
]
NEEDLE = ("ours", "genome-needle", "Reading t", {"distances": [80], "samples": 3})


@pytest.mark.parametrize(
    ("name", "kind", "bar", "protocol"),
    [NEEDLE, *((name, *one) for name in ("ours", "bytes", "6-mers") for one in WATCHED)],
)
def test_a_task_tells_how_far_it_is(
    longer: Any, folder: Path, others: dict[str, Path], capsys: pytest.CaptureFixture[str],
    name: str, kind: str, bar: str, protocol: dict[str, Any],
) -> None:  # fmt: skip
    model = longer if name == "ours" else load_causal_lm(others[name])
    layout = "fasta" if kind in ("genome-needle", "likelihood") else "gff"
    names = ("g.fa",) if layout == "fasta" else ("g.fa", "g.gff3")
    statistic = {"perturbation": "AUROC", "genome-needle": "gain"}.get(kind, "bits per base")
    run_task(context_of(model, folder, kind, layout, names, (statistic,), **protocol))
    first, last = capsys.readouterr().err.strip().splitlines()
    assert first == f"{bar}: started"
    assert last.startswith(f"{bar}: 100%")


def test_models_with_other_tokenizers(folder: Path, others: dict[str, Path]) -> None:
    """The same numbers as hand sums over whole windows; what needs our own vocabulary is refused."""
    for name in ("bytes", "6-mers"):
        model = load_causal_lm(others[name])
        context = context_of(model, folder, "perturbation", "gff", ("g.fa", "g.gff3"), ("AUROC",), each=1, site="kozak")
        found = run_task(context)
        assert np.isfinite(found.items["delta"]).all()
        classes = context_of(model, folder, "annotation-classes", "gff", ("g.fa", "g.gff3"), ("bits per base",))
        likelihood = context_of(model, folder, "likelihood", "fasta", ("g.fa",), ("bits per base",))
        assert {one.part for one in run_task(classes).measures} == set(CLASSES)
        assert run_task(likelihood).measures[0].value > 0
        with refused("task-needs-own-model"):
            run_task(
                context_of(
                    model, folder, "recovery", "gff", ("g.fa", "g.gff3"), ("DNA identity",), upstream=0, length=3
                )
            )
