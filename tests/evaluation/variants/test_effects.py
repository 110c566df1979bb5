"""Effects agree with whole windows scored one by one in fp64, and do not depend on what was read beside them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_windows import mirrored, whole_shift, whole_window

from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.distances import FIELDS
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
        forward = whole_window(double, contig, allele, placement)
        reverse = whole_window(double, reverse_complement(contig), mirrored(allele, len(contig)), placement)
        for expected, found in ((forward, effect and effect.forward), (reverse, effect and effect.reverse)):
            assert (expected is None) == (found is None)
            if expected is not None:
                assert abs(found.delta - expected[0]) <= 1e-5 * found.targets
                assert found.targets == expected[1]
        if effect:
            assert effect.delta == pytest.approx(np.mean([one.delta for one in effect.read]))
            assert effect.mean == pytest.approx(np.mean([one.delta / one.targets for one in effect.read]))


@pytest.mark.parametrize("placement", PLACEMENTS[:3])
def test_distances_agree_with_whole_windows_in_fp64(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], placement: Placement
) -> None:
    double = copy.deepcopy(tiny_model).double()
    double.set_attn_implementation("eager")
    effects = _effects(tiny_model, alleles, genome, placement, distances=True)
    plain = _effects(tiny_model, alleles, genome, placement)
    assert [effect and effect.delta for effect in effects] == [effect and effect.delta for effect in plain]
    compared = 0
    for allele, effect in zip(alleles, effects, strict=True):
        contig = genome[allele.record.contig]
        pairs = [
            (effect and effect.forward, whole_shift(double, contig, allele, placement)),
            (effect and effect.reverse,
             whole_shift(double, reverse_complement(contig), mirrored(allele, len(contig)), placement)),
        ]  # fmt: skip
        for found, expected in pairs:
            if found is None or found.shift is None:
                assert found is None or expected is None
                continue
            compared += 1
            values = [getattr(found.shift, name) for name in FIELDS]
            np.testing.assert_allclose(values, expected, atol=1e-5, rtol=1e-4)
    assert compared > 50


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_neither_batches_nor_order_matter(
    tiny_model: Any, alleles: list[Allele], genome: dict[str, Ids], batch_size: int | None
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
