"""Speed and agreement of evaluation against the usual ways, on the same model, work and machine, in turns.

python -m benchmarks.evaluation --table statistics | traitgym | kills
python -m benchmarks.evaluation [--rounds 3] [--threads 1] [--trained demo/model --genome demo/genome.fa]

Variants: the peer is the way of Evo 2's BRCA1 notebook: every distinct window scored whole, one by one or in batches,
and the mean log-probability compared. "At most" is what the shared prefix leaves to be gained with the same kernels,
in multiplications. Agreement is against fp64 on the CPU.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.published_tasks import agreement, kills, traitgym
from benchmarks.twins import twin_models
from corpus.readers.fasta import read_fasta
from evaluation.likelihood.likelihood import base_log_probabilities, plan_reading
from evaluation.likelihood.model import load_model
from evaluation.variants.alleles import SCORED, Allele
from evaluation.variants.effects import variant_effects
from evaluation.variants.vcf import VcfRecord
from evaluation.variants.windows import Alternative, Placement, Strand, place, plan_placement
from tokenizer.sequence import Ids, encode

LENGTH = 8192


def main() -> None:
    """Print a table of ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--trained", type=Path, help="an export of a trained model, for the agreement")
    options.add_argument("--genome", type=Path, help="sequence like what that model was trained on, FASTA")
    options.add_argument("--table", choices=["statistics", "traitgym", "kills"], help="one of the published tasks")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.table:
        tables = {"statistics": agreement, "traitgym": traitgym, "kills": kills}
        tables[given.table]()
        return
    ours, peer = twin_models(hidden=128, intermediate=512, layers=4, positions=LENGTH)
    print(f"{ours.num_parameters():,} parameters, fp32, {given.threads} thread(s), torch {torch.__version__}")
    contig = encode("".join(np.random.default_rng(0).choice(list("ACGT"), size=40_000)))
    centred = Placement(length=LENGTH, downstream=LENGTH // 2, grid=1)
    default = plan_placement(LENGTH)
    for name, placement, alleles in (
        ("default placement, 4 sites in a row with 3 alternatives each", default, _snvs(contig, 4, 3, apart=1)),
        ("default placement, 6 variants 13 bases apart", default, _snvs(contig, 6, 1, apart=13)),
        (
            "default placement, 60 variants 10 bases apart, as 100,000 in a megabase",
            default,
            _snvs(contig, 60, 1, apart=10),
        ),
        ("default placement, 2 variants that share no window", default, _snvs(contig, 2, 1, apart=5000)),
        ("the notebook's: centred, 2 sites with 3 alternatives each", centred, _snvs(contig, 2, 3, apart=1)),
    ):
        print(f"\n{name}", flush=True)
        _variants(ours, peer, contig, alleles, placement, given.rounds)
    print("\nscore, 6 sequences of 8,192 bases: tokens per second against a loop of transformers forward passes")
    _score(ours, peer, contig, given.rounds)
    for placement in (plan_placement(1024, downstream=128), plan_placement(1024), plan_placement(LENGTH)):
        _agreement(ours, peer, contig, placement)
    if given.trained:
        model = load_model(given.trained, device="cpu")
        plain = copy.deepcopy(model)
        plain.set_attn_implementation("sdpa")
        longest = next(iter(read_fasta(given.genome))).sequence
        print(f"\ntrained model {given.trained}", end="")
        _agreement(model, plain, encode(longest), plan_placement(int(model.config.max_position_embeddings)))


def _variants(ours: Any, peer: Any, contig: Ids, alleles: list[Allele], placement: Placement, rounds: int) -> None:
    ways: dict[str, Callable[[], list[float]]] = {
        f"batches of {size}": partial(_notebook, peer, contig, alleles, placement, size) for size in (1, 4)
    }
    times, results = _in_turns({"ours": partial(_ours, ours, contig, alleles, placement), **ways}, rounds)
    print(f"  ours: {len(alleles) / statistics.median(times['ours']):.2f} variants a processor second", end="")
    print(f"; at most {_bound(peer.config, _place(contig, alleles, placement)):.2f} times as fast")
    for name in ways:
        ratio = statistics.median(theirs / own for theirs, own in zip(times[name], times["ours"], strict=True))
        difference = _most(results["ours"], results[name])
        print(f"  against {name}: {ratio:.2f} times as fast, scores differ by {difference:.1e} at most", flush=True)


def _bound(config: Any, placed: list[Alternative]) -> float:
    """Work of whole windows, by that of each reference once and of each alternative from its variant on."""
    projections = config.hidden_size**2 * 2 + config.hidden_size * config.head_dim * config.num_key_value_heads * 2
    dense = projections + 3 * config.hidden_size * config.intermediate_size  # multiplications a base and layer
    attention = config.hidden_size * LENGTH  # two products with half of the window on average

    def rest(first: int) -> float:
        before = first / LENGTH
        return (dense * (1 - before) + attention * (1 - before**2)) / (dense + attention)

    references = len({one.key for one in placed})
    return (references + len(placed)) / (references + sum(rest(one.first) for one in placed))


def _agreement(ours: Any, peer: Any, contig: Ids, placement: Placement) -> None:
    """Of fp32 and bf16, with fp64; of bf16 also with fp64 of the weights as bf16 rounds them."""
    alleles = _snvs(contig, 12 if placement.length < LENGTH else 4, 1, apart=13)
    rounded = copy.deepcopy(peer).bfloat16()
    exact = {
        name: _notebook(copy.deepcopy(model).double(), contig, alleles, placement, 1)
        for name, model in (("", peer), (" of the rounded weights", rounded))
    }
    print(f"\nagreement, windows of {placement.length} with {placement.downstream} downstream")
    half = _ours(copy.deepcopy(ours).bfloat16(), contig, alleles, placement)
    for name, found, against in (
        ("fp32", _ours(ours, contig, alleles, placement), ""),
        ("bf16", half, ""),
        ("bf16", half, " of the rounded weights"),
        ("bf16, whole windows as the peer", _notebook(rounded, contig, alleles, placement, 1), ""),
    ):
        truth = exact[against]
        rms, signal = float(np.sqrt(np.mean(np.subtract(found, truth) ** 2))), float(np.std(truth))
        print(
            f"  {name}, with fp64{against}: {_most(found, truth):.1e} a base at most; "
            f"{rms / signal:.1e} of the signal, {signal:.1e} (rms, spread)",
            flush=True,
        )


def _ours(model: Any, contig: Ids, alleles: list[Allele], placement: Placement) -> list[float]:
    found = variant_effects(model, alleles, {"c": contig}, placement, readings=(False,), batch_size=8)
    return [effect.mean for some in found for effect in some if effect]


def _score(ours: Any, peer: Any, contig: Ids, rounds: int) -> None:
    sequences = [contig[start : start + LENGTH] for start in range(0, 6 * 5000, 5000)]
    reading = plan_reading(ours, batch_size=1)

    def mine() -> float:
        return sum(
            float(np.nansum(one.logs)) for one in base_log_probabilities(ours, ((s, 0) for s in sequences), reading)
        )

    def loop(size: int) -> float:
        total = 0.0
        for first in range(0, len(sequences), size):
            total += float(_whole(peer, sequences[first : first + size]).sum())
        return total

    ways: dict[str, Callable[[], object]] = {f"batches of {size}": partial(loop, size) for size in (1, 2, 6)}
    times, _ = _in_turns({"ours": mine, **ways}, rounds)
    for name in ways:
        ratio = statistics.median(theirs / own for theirs, own in zip(times[name], times["ours"], strict=True))
        print(f"  against {name}: {ratio:.2f} times as fast")


def _notebook(model: Any, contig: Ids, alleles: list[Allele], placement: Placement, batch_size: int) -> list[float]:
    """Mean log-probability of the alternative's window minus that of the reference's, each distinct window once."""
    placed = _place(contig, alleles, placement)
    keys = list(dict.fromkeys(one.key for one in placed))
    strand = Strand(contig=contig, reverse=False)
    windows = [strand.slice(key.start, key.end) for key in keys] + [one.ids for one in placed]
    means: list[float] = []
    for start in range(0, len(windows), batch_size):
        means += _whole(model, windows[start : start + batch_size]).mean(dim=1).tolist()
    return [means[len(keys) + n] - means[keys.index(one.key)] for n, one in enumerate(placed)]


def _place(contig: Ids, alleles: list[Allele], placement: Placement) -> list[Alternative]:
    strand = Strand(contig=contig, reverse=False)
    return [place(allele, number, strand, placement) for number, allele in enumerate(alleles)]


def _whole(model: Any, windows: list[Ids]) -> torch.Tensor:
    tokens = torch.from_numpy(np.stack(windows).astype(np.int64))
    with torch.inference_mode():
        logits = model(tokens).logits
        logs = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=-1)
        return logs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double()


def _in_turns(ways: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Processor seconds of each way, round by round, so that another's load weighs on all alike; and its results."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            results[name] = way()
            times[name].append(time.process_time() - started)
    return times, results


def _snvs(contig: Ids, sites: int, alternatives: int, *, apart: int) -> list[Allele]:
    alleles = []
    for site in range(sites):
        position = len(contig) // 2 + apart * site
        ref = contig[position : position + 1]
        others = [base for base in b"ACGT" if base != ref[0]][:alternatives]
        record = VcfRecord(line=site, contig="c", position=position, id=".", ref=chr(ref[0]), alts=(), fields=())
        alleles += [
            Allele(record=record, alt_text="", position=position, ref=ref, alt=encode(bytes([b])), status=SCORED)
            for b in others
        ]
    return alleles


def _most(one: list[float], other: list[float]) -> float:
    return float(np.abs(np.subtract(one, other)).max())


if __name__ == "__main__":
    main()
