"""Tokens a second of the tiny recipe on a CPU, beside `transformers.Trainer` on the same model, samples and threads.

    python -m benchmarks.cpu_training [--rounds 11] [--steps 5] [--threads 2]

Both start from one checkpoint and see the same samples in the same order, so their losses must agree: a test of that is
part of the run. They are two processes that take turns; a ratio is of two turns in a row, and the median is printed.
Ours is `python -m recipes.train --config-name train_tiny` with everything that it does: corpus, schedule, logs.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import hf_trainer, tiny_recipe
from benchmarks.turns import at_least_two, ratios, take_turns

AGREE = 1e-3
"""Largest relative difference of two losses. fp32 sums in another order; training makes more of it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=at_least_two, default=11)
    options.add_argument("--steps", type=int, default=5, help="optimizer steps of a turn")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--override", action="append", default=[], help="of the recipe: key=value")
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), given.rounds, given.steps, given.threads, given.override)


def compare(folder: Path, rounds: int, steps: int, threads: int, overrides: list[str]) -> float:
    """Train both in turns, check that they train alike, print a row; the median ratio."""
    from configs.compose import compose_config

    config = compose_config("train_tiny", overrides)
    values = {
        "threads": threads,
        "steps": (rounds + 1) * steps,
        "micro_batch_size": config.dataset.micro_batch_size,
        "global_batch_size": config.dataset.global_batch_size,
        "sequence_length": config.dataset.sequence_length,
        "lr": config.optimizer.lr,
        "overrides": overrides,
    }
    write_model(folder, config.model_tag)
    samples = write_corpus(folder, values)
    players = {"transformers.Trainer": hf_trainer.train, "ours": tiny_recipe.train}
    turns = take_turns(players, (folder, samples, values), rounds=rounds, steps=steps)
    theirs, ours = turns["transformers.Trainer"], turns["ours"]
    losses = [[loss for turn in side for loss in turn.losses] for side in (theirs, ours)]
    np.testing.assert_allclose(*losses, rtol=AGREE)
    size = f"{values['global_batch_size']} x {values['sequence_length']} tokens in micro-batches of"
    print(f"\n{size} {values['micro_batch_size']}, fp32, {threads} threads, {rounds} turns of {steps} steps;", end=" ")
    print(f"losses differ by {np.max(np.abs(np.divide(*losses) - 1)):.1e} at most\n")
    print("| tokens/s, ours to `transformers.Trainer` | lower quartile | median | upper quartile |")
    print("| --- | ---: | ---: | ---: |")
    found = {}
    for kind in ("clock", "processor"):
        found[kind] = ratios(*([getattr(turn, kind) for turn in side[1:]] for side in (theirs, ours)))
        print(f"| by the {kind} | " + " | ".join(f"{ratio:.2f} x" for ratio in found[kind]) + " |")
    return found["clock"][1]


def write_model(folder: Path, model_tag: str) -> None:
    """One random model: `hf` for the peer, `nemo` for us."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    from configs.llama import hf_config, read_architecture
    from conversion.convert import convert

    torch.manual_seed(0)
    config = {**hf_config(read_architecture(model_tag)), "dtype": "float32", "torch_dtype": "float32"}
    LlamaForCausalLM(AutoConfig.for_model(**config)).save_pretrained(folder / "hf")
    convert(folder / "hf", folder / "nemo", to="nemo")


def write_corpus(folder: Path, values: dict[str, Any]) -> Any:
    """The corpus `corpus`, and its samples in the order in which our recipe reads them.

    [samples, 2, sequence]: tokens and labels, -100 where these have no weight.
    """
    from corpus.samples.datasets import Cutting, train_dataset
    from corpus.synthetic import ensure_synthetic_corpus

    ensure_synthetic_corpus(folder / "corpus")
    length = values["steps"] * values["global_batch_size"]
    cutting = Cutting(seq_length=values["sequence_length"])
    weights = {"soft_mask_weight": 0.1, "markup_weight": 0.0, "reverse_complement": False}
    dataset = train_dataset([folder / "corpus"], [1.0], cutting, length=length, seed=1234, **weights)
    examples = [dataset[index] for index in range(length)]
    return np.stack(
        [(example["tokens"], np.where(example["loss_mask"], example["labels"], -100)) for example in examples]
    )


if __name__ == "__main__":
    main()
