"""Effects agree with whole windows scored one by one in fp64, and do not depend on what was read beside them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.effects import variant_effects
from evaluation.variants.vcf import read_vcf
from evaluation.variants.windows import Placement
from tokenizer.sequence import Ids, encode, reverse_complement

LENGTH = 150
PLACEMENTS = [
    Placement(length=24, downstream=12, grid=1),
    Placement(length=24, downstream=12, grid=5),
    Placement(length=24, downstream=24, grid=24),
    Placement(length=24, downstream=1, grid=1),
    Placement(length=7, downstream=3, grid=2),
]


@pytest.fixture(scope="module")
def genome() -> dict[str, Ids]:
    random = np.random.default_rng(4)
    letters = random.choice(list("ACGTacgt"), size=LENGTH)
    letters[60] = "N"
    return {"c": encode("".join(letters)), "d": encode("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "one": encode("A")}


@pytest.fixture(scope="module")
def alleles(genome: dict[str, Ids], tmp_path_factory: pytest.TempPathFactory) -> list[Allele]:
    """SNVs with all three alternatives at clustered, far and border sites; insertions, deletions, replacements."""
    text = {name: ids.tobytes().decode().upper() for name, ids in genome.items()}
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]

    def add(contig: str, position: int, length: int, *alts: str) -> None:
        ref = text[contig][position : position + length]
        lines.append(f"{contig}\t{position + 1}\t.\t{ref}\t{','.join(alts)}\t.\t.\t.")

    for position in (0, 1, 30, 31, 33, 47, 66, 119, LENGTH - 1):
        ref = text["c"][position]
        add("c", position, 1, *(base for base in "ACGT" if base != ref))
        add("c", position, 1, ref + "GATTACA", "TTTT")
        add("c", position, min(5, LENGTH - position), ref, "GA")
    tail = text["c"][LENGTH - 4 :]
    add("c", LENGTH - 4, 4, tail[0])  # a deletion of the contig's end: what is left is a prefix of the reference
    add("d", 4, 4, "A")  # a deletion in a homopolymer: another sequence only at its end
    add("d", 29, 1, "C")
    add("one", 0, 1, "C")
    path = tmp_path_factory.mktemp("vcf") / "variants.vcf"
    path.write_text("\n".join(lines) + "\n")
    return list_alleles(read_vcf(path), genome, path)


def _whole_window(model: Any, contig: Ids, allele: Allele, placement: Placement) -> tuple[float, int] | None:
    """The definition, read off the placement's docstring: both windows whole, one by one. The delta, and the bases."""
    import torch

    text, position = contig.tobytes().upper(), allele.position
    start = (position - (placement.length - placement.downstream)) // placement.grid * placement.grid
    end = min(len(text), start + placement.length)
    start = max(0, start)
    changed = text[:position] + allele.alt.tobytes() + text[position + len(allele.ref) :]
    windows = [text[start:end], changed[start : start + (end - start)]]
    shortest = min(map(len, windows))
    tokens = torch.tensor([list(window[:shortest]) for window in windows])
    with torch.inference_mode():
        logs = model(tokens).logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    scored = torch.tensor([[base in b"ACGT" for base in window[1:shortest]] for window in windows], dtype=torch.bool)
    bases = int(scored.sum(dim=1).min())
    sums = [float(one[counts][:bases].sum()) for one, counts in zip(logs, scored, strict=True)]
    differs = windows[0][:shortest] != windows[1][:shortest] or allele.alt_text == allele.record.ref
    return (sums[1] - sums[0], bases) if bases and differs else None


def _mirrored(allele: Allele, length: int) -> Allele:
    import dataclasses

    position = length - allele.position - len(allele.ref)
    return dataclasses.replace(
        allele, position=position, ref=reverse_complement(allele.ref), alt=reverse_complement(allele.alt)
    )


def _effects(model: Any, alleles: list[Allele], genome: dict[str, Ids], placement: Placement, **options: Any) -> Any:
    options = {"readings": (False, True), "batch_size": 8} | options
    return [one for some in variant_effects(model, alleles, genome, placement, **options) for one in some]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_effects_agree_with_whole_windows_in_fp64(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], placement: Placement
) -> None:
    double = copy.deepcopy(tiny_model).double()
    double.set_attn_implementation("eager")
    effects = _effects(tiny_model, alleles, genome, placement)
    assert all(allele.status == SCORED for allele in alleles)
    for allele, effect in zip(alleles, effects, strict=True):
        contig = genome[allele.record.contig]
        forward = _whole_window(double, contig, allele, placement)
        reverse = _whole_window(double, reverse_complement(contig), _mirrored(allele, len(contig)), placement)
        for expected, found in ((forward, effect and effect.forward), (reverse, effect and effect.reverse)):
            assert (expected is None) == (found is None)
            if expected is not None:
                assert abs(found.delta - expected[0]) <= 1e-5 * found.targets
                assert found.targets == expected[1]
        if effect:
            assert effect.delta == pytest.approx(np.mean([one.delta for one in effect.read]))
            assert effect.mean == pytest.approx(np.mean([one.delta / one.targets for one in effect.read]))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_neither_batches_nor_order_matter(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], batch_size: int
) -> None:
    placement = PLACEMENTS[1]
    expected = _effects(tiny_model, alleles, genome, placement)
    shuffled = np.random.default_rng(0).permutation(len(alleles)).tolist()
    found = _effects(tiny_model, [alleles[i] for i in shuffled], genome, placement, batch_size=batch_size)
    for index, effect in zip(shuffled, found, strict=True):
        if expected[index] is None:
            assert effect is None
        else:
            assert effect.delta == pytest.approx(expected[index].delta, abs=2e-5)
            assert effect.mean == pytest.approx(expected[index].mean, abs=1e-6)


def test_equal_windows_are_read_once(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evaluation.variants import effects

    read: list[int] = []
    real = effects.hidden_states

    def counted(model: Any, ids: Any, **options: Any) -> Any:
        read.append(ids.numel())
        return real(model, ids, **options)

    monkeypatch.setattr(effects, "hidden_states", counted)
    snvs = [allele for allele in alleles if allele.record.position in (30, 31, 33) and len(allele.ref) == 1][:9]
    whole = 2 * 23 * len(snvs)
    _effects(tiny_model, snvs, genome, Placement(length=24, downstream=12, grid=12), readings=(False,))
    assert sum(read) < whole / 2.5


def test_a_strand_whose_window_ends_before_the_sequences_differ_is_left_out(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids]
) -> None:
    last = [one for one in alleles if one.record.contig == "c" and one.record.position == LENGTH - 4]
    homopolymer = next(allele for allele in alleles if allele.record.contig == "d")
    placement = Placement(length=10, downstream=4, grid=1)
    effect, nothing = _effects(tiny_model, [*last, homopolymer], genome, placement)
    assert effect.forward is None
    assert effect.reverse is not None
    assert effect.delta == effect.reverse.delta != 0
    assert nothing is None


def test_an_alternative_that_is_the_reference_changes_nothing(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids]
) -> None:
    import dataclasses

    same = dataclasses.replace(alleles[9], alt=alleles[9].ref)
    (effect,) = _effects(tiny_model, [same], genome, Placement(length=10, downstream=4, grid=1))
    assert (effect.forward.delta, effect.reverse.delta) == (0, 0)


@pytest.mark.parametrize("placement", [PLACEMENTS[0], PLACEMENTS[2]])
def test_half_precision_errs_by_little_of_the_signal(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], placement: Placement
) -> None:
    """A tenth against the weights before they were rounded, a fiftieth against the same weights in fp64."""
    half = copy.deepcopy(tiny_model).bfloat16()
    found = _deltas(half, alleles, genome, placement)
    for model, share in ((tiny_model, 0.1), (half.double(), 0.02)):
        exact = _deltas(model, alleles, genome, placement)
        assert np.sqrt(np.mean(np.subtract(found, exact) ** 2)) <= share * np.std(exact)


def test_an_interrupted_pass_leaves_half_precision_as_it_was(tiny_model: Any) -> None:
    import torch

    from evaluation.likelihood.precision import single_precision

    half = copy.deepcopy(tiny_model).bfloat16()
    ids = torch.tensor([[65, 67, 71]])
    with torch.inference_mode():
        before = half(ids).logits
        with pytest.raises(RuntimeError), single_precision(half):
            assert half.model(ids).last_hidden_state.dtype == torch.float32
            raise RuntimeError
        assert half(ids).logits.dtype == torch.bfloat16
        assert torch.equal(half(ids).logits, before)


def _deltas(model: Any, alleles: list[Allele], genome: dict[str, Ids], placement: Placement) -> list[float]:
    return [one.delta for one in _effects(model, alleles, genome, placement) if one]


def test_real_genomes(tiny_model: Any, real_data: Path) -> None:
    from evaluation.likelihood.regions import load_contigs

    contigs = load_contigs(real_data / "phage_genomes_8.fasta", ["DQ079891.1"])
    assert list(contigs) == ["DQ079891.1"]
