"""Speed of inference against the usual ways, on the same model, work and machine, in turns: a row for each.

python -m benchmarks.inference [ROW ...] [--model demo/model] [--rounds 3] [--threads 1] [--short]

Each row is a function of `ROWS`; its peers are what a user of transformers writes, with its best batch. Seconds are of
the processor, all threads, so that another's load weighs on both alike; ratios are of turns of one round. Weights are
random where the model has too few positions for the work: speed does not depend on them.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluation.embedding.embedding import embed_regions
from evaluation.likelihood.attention import use_attention
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import Region
from evaluation.mutation.mutants import Kinds, list_mutants
from evaluation.mutation.mutation_map import MutationMap, mutate_regions
from evaluation.variants.windows import Placement, Strand, place
from tokenizer.sequence import Ids

Turns = dict[str, Callable[[], Any]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """`work` units are done by each of `ways`; "ours" against the best of the others. `agree`: largest difference."""

    name: str
    unit: str
    work: float
    ways: Turns
    agree: Callable[[dict[str, Any]], float]


def main() -> None:
    """Print a table: ours, the best peer, and how many times as fast."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("rows", nargs="*", choices=[*ROWS, []], help="which; all unless given")
    options.add_argument("--model", type=Path, default=Path("demo/model"), help="an export, whose shape is taken")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--short", action="store_true", help="a tenth of the work")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.rows or ROWS:
        for row in ROWS[name](given.model, 0.1 if given.short else 1.0):
            _print(row, given.rounds)


def _print(row: Row, rounds: int) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in row.ways}
    results: dict[str, Any] = {}
    for _ in range(rounds):
        for name, way in row.ways.items():
            started = time.process_time()
            results[name] = way()
            seconds[name].append(time.process_time() - started)
    print(f"\n{row.name}; values differ by {row.agree(results):.1e} at most")
    for name, taken in seconds.items():
        ratio = statistics.median(theirs / own for theirs, own in zip(taken, seconds["ours"], strict=True))
        speed = row.work / statistics.median(taken)
        print(f"  {name}: {speed:,.1f} {row.unit}/s{'' if name == 'ours' else f'; ours {ratio:.2f} times as fast'}")


def embed_row(model: Path, share: float) -> Iterator[Row]:
    """Embeddings of sequences of 200 to 2,000 bases: transformers in a plain loop, sorted by length, with a mask."""
    ours, peer = _models(model, positions=2048)
    random = np.random.default_rng(0)
    lengths = random.integers(200, 2001, size=round(2000 * share))
    regions = [Region(name=str(n), ids=_bases(random, length)) for n, length in enumerate(lengths)]

    def mine() -> Any:
        found = embed_regions(ours, regions, plan_reading(ours), layer=-1, pooling="mean")
        return np.stack([one.values for one in found])

    ways: Turns = {"ours": mine}
    ways |= {
        f"transformers, batches of {size}": partial(_embed_plainly, peer, regions, size) for size in (1, 2, 4, 8, 16)
    }
    yield Row(
        name=f"embed, {len(regions):,} sequences of 200 to 2,000 bases", unit="bases",
        work=float(lengths.sum()), ways=ways,
        agree=lambda found: max(float(np.abs(found["ours"] - one).max()) for one in found.values()),
    )  # fmt: skip


def _embed_plainly(model: Any, regions: list[Region], size: int) -> Any:
    order = sorted(range(len(regions)), key=lambda number: -len(regions[number].ids))
    means = np.zeros((len(regions), model.config.hidden_size), np.float32)
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        longest = len(regions[batch[0]].ids)
        tokens, mask = torch.ones(len(batch), longest, dtype=torch.long), torch.zeros(len(batch), longest)
        for row, number in enumerate(batch):
            ids = torch.from_numpy(regions[number].ids.astype(np.int64))
            tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
        with torch.inference_mode():
            hidden = model.model(input_ids=tokens, attention_mask=mask.long(), use_cache=False).last_hidden_state
        means[batch] = ((hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)).numpy()
    return means


def mutate_row(model: Path, share: float) -> Iterator[Row]:
    """All SNVs of 200 bases in windows of 2,048 bases: every distinct window whole, in batches."""
    ours, peer = _models(model, positions=2048)
    contig = _bases(np.random.default_rng(1), 8000)
    region = Region(name="r", contig="c", start=4000, ids=contig[4000 : 4000 + round(200 * share)])
    placement = Placement(length=2048, downstream=512, grid=64)
    mutants = list_mutants(region, contig, Kinds())

    def mine() -> Any:
        (found,) = mutate_regions(ours, [region], {"c": contig}, placement, Kinds(), strand="forward")
        return _deltas(found)

    ways: Turns = {"ours": mine}
    ways |= {
        f"whole windows, batches of {size}": partial(_mutate_plainly, peer, contig, mutants, placement, size)
        for size in (1, 4, 16)
    }
    yield Row(
        name=f"mutate, {len(mutants)} SNVs of {len(region.ids)} bases in windows of 2,048", unit="mutants",
        work=len(mutants), ways=ways,
        agree=lambda found: max(float(np.abs(found["ours"] - one).max()) for one in found.values()),
    )  # fmt: skip


def _deltas(found: MutationMap) -> Any:
    return np.array([effect.delta if effect else np.nan for effect in found.effects])


def _mutate_plainly(model: Any, contig: Ids, mutants: list[Any], placement: Placement, size: int) -> Any:
    """One reference window for the mutants that share it, as a careful user does."""
    strand = Strand(contig=contig, reverse=False)
    placed = [place(mutant.allele, number, strand, placement) for number, mutant in enumerate(mutants)]
    keys = list(dict.fromkeys(one.key for one in placed))
    windows = [strand.slice(key.start, key.end) for key in keys] + [one.ids for one in placed]
    sums: list[float] = []
    for first in range(0, len(windows), size):
        tokens = torch.from_numpy(np.stack(windows[first : first + size]).astype(np.int64))
        with torch.inference_mode():
            logs = model(tokens, use_cache=False).logits.float().log_softmax(dim=-1)
        sums += logs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double().sum(dim=1).tolist()
    return np.array([sums[len(keys) + number] - sums[keys.index(one.key)] for number, one in enumerate(placed)])


def _models(directory: Path, *, positions: int) -> tuple[Any, Any]:
    """Ours and the peer: the shape of `directory` with so many positions, random weights, the same for both."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(directory)
    config.max_position_embeddings = positions
    torch.manual_seed(0)
    peer = LlamaForCausalLM(config).eval()
    ours = copy.deepcopy(peer)
    use_attention(ours)
    return ours, peer


def _bases(random: np.random.Generator, length: int) -> Ids:
    return random.choice(np.frombuffer(b"ACGT", np.uint8), size=length)


ROWS: dict[str, Callable[[Path, float], Iterator[Row]]] = {"embed": embed_row, "mutate": mutate_row}

if __name__ == "__main__":
    main()
