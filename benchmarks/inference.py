"""Speed of inference against the usual ways: same model, work, threads and machine, in turns.

python -m benchmarks.inference [ROW...] [--rounds 3] [--threads 2]

Each row is a function that plays its sides against one another (`benchmarks.turns`) and returns what it found. The
model has the size of the demo's (three million parameters) and random weights; speed does not depend on them. The
short rows try several batches of the peer; the others, of a few minutes with --rounds 2, have the best of those.
"""

import argparse
import os
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from benchmarks import inference_windows as windows
from benchmarks.turns import Turn, Turns, at_least_two, ratios, take_turns

PROMPT = b"ACGTACGTAACC"


class Found(NamedTuple):
    """How many times as fast ours is: lower quartile, median, upper quartile. `peer`: which of its ways was best.

    `processor`: the same of processor time, which a busy machine disturbs less.
    """

    peer: str
    ratios: tuple[float, float, float]
    processor: tuple[float, float, float]
    ours: str
    theirs: str


class Row(NamedTuple):
    work: str
    target: str
    play: Callable[[int, int], Found]


def main() -> None:
    """Print a table, a row as soon as it is measured."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("rows", nargs="*", choices=[*ROWS, []], help="all, unless given")
    options.add_argument("--rounds", type=at_least_two, default=3)
    options.add_argument("--threads", type=int, default=2, help="of each process")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # for both sides: threads that spin cost whoever shares the machine
    print(
        "| work | peer, its best way | ours to theirs: median (quartiles) | processor time | target | ours | theirs |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in given.rows or ROWS:
        row = ROWS[name]
        found = row.play(given.rounds, given.threads)
        clock, processor = (f"**{b:.2f} x** ({a:.2f} to {c:.2f})" for a, b, c in (found.ratios, found.processor))
        print(f"| {row.work} | {found.peer} | {clock} | {processor} | {row.target} ", end="")
        print(f"| {found.ours} | {found.theirs} |", flush=True)


def best(turns: Mapping[str, list[Turn]], amount: float, unit: str) -> Found:
    """`ours` against the peer whose median turn is the shortest; `amount`: work of a turn, for the rates."""
    clocks = {name: [turn.clock for turn in some[1:]] for name, some in turns.items()}  # the first is a warm-up
    busy = {name: [turn.processor for turn in some[1:]] for name, some in turns.items()}
    ours = clocks.pop("ours")
    peer = min(clocks, key=lambda name: statistics.median(clocks[name]))
    rates = [f"{amount / statistics.median(some):,.0f} {unit}/s" for some in (ours, clocks[peer])]
    return Found(peer, ratios(clocks[peer], ours), ratios(busy[peer], busy["ours"]), *rates)


def generate(samples: int, length: int, batches: tuple[int, ...], rounds: int, threads: int) -> Found:
    """New bases after one prompt, against `transformers.generate` in batches."""
    players: dict[str, Callable[..., None]] = {"ours": _our_generate}
    players |= {f"transformers.generate, batches of {size}": partial(_their_generate, batch=size) for size in batches}
    turns = take_turns(players, (samples, length, rounds + 1, threads), rounds=rounds, steps=1)
    return best(turns, samples * length, "bases")


def embed(sequences: int, batches: tuple[int, ...], rounds: int, threads: int) -> Found:
    """Embeddings of sequences of 200 to 2,000 bases, a share of them in each round, against a plain loop."""
    turns = windows.embed(sequences, batches, rounds, threads)
    return best(turns, windows.bases_of(sequences) / rounds, "bases")


def mutate(bases: int, batches: tuple[int, ...], rounds: int, threads: int) -> Found:
    """All SNVs of a region in windows of 2,048 bases, against whole windows in batches."""
    return best(windows.mutate(bases, batches, rounds, threads), 3 * bases, "mutants")


def _our_generate(turns: Turns, samples: int, length: int, times: int, threads: int) -> None:
    from evaluation.generation.generation import generate
    from evaluation.generation.sampling import Sampling
    from evaluation.likelihood.attention import use_attention
    from evaluation.likelihood.regions import Region
    from tokenizer.sequence import encode

    model = demo_size_model(threads)
    use_attention(model)
    sampling = Sampling(length=length, min_length=length, samples=samples)
    for _ in range(times):
        generate(model, [Region(name="prompt", ids=encode(PROMPT))], sampling)
        turns.step(0.0)


def _their_generate(turns: Turns, samples: int, length: int, times: int, threads: int, *, batch: int) -> None:
    import torch

    model = demo_size_model(threads)
    ids = torch.tensor([list(PROMPT)] * batch)
    options = {"max_new_tokens": length, "min_new_tokens": length, "do_sample": True, "top_k": 0}
    for _ in range(times):
        for _ in range(samples // batch):
            model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        turns.step(0.0)


def demo_size_model(threads: int) -> Any:
    """A random Llama of the demo's size, as transformers makes it."""
    import torch
    from transformers import LlamaForCausalLM

    from configs.llama import read_architecture
    from conversion.huggingface.live_model import llama_config

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return LlamaForCausalLM(llama_config(read_architecture("llama3_tiny_genomic_config"))).float().eval()


ROWS = {
    "generate": Row("generate, 64 x 400 bases", "2 x", partial(generate, 64, 400, (16, 32, 64))),
    "generate-1": Row("generate, 1 x 200 bases", "1 x", partial(generate, 1, 200, (1,))),
    "embed": Row("embed, 2,000 sequences of 200 to 2,000 bases", "1.2 x", partial(embed, 2000, (1,))),
    "embed-short": Row("embed, 120 sequences of 200 to 2,000 bases", "1.2 x", partial(embed, 120, (1, 4, 16))),
    "mutate": Row("mutate, 600 SNVs of 200 bases, windows of 2,048", "3 x", partial(mutate, 200, (1,))),
    "mutate-short": Row("mutate, 30 SNVs of 10 bases, windows of 2,048", "3 x", partial(mutate, 10, (1, 4))),
}

if __name__ == "__main__":
    main()
