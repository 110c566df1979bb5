"""Fine-tuning with a head: samples per second beside `transformers.Trainer`, and a task that counting cannot solve.

    python -m benchmarks.finetuning speed [--rounds 7] [--steps 4] [--threads 2]
    python -m benchmarks.finetuning motifs OUT [--sequences 4000] [--length 48]

`speed`: the tiny model and a task of two classes, all weights and LoRA. Theirs is `LlamaForSequenceClassification`,
with PEFT for LoRA, on the same sequences in the same order, with the best of several batches. Two processes take turns,
and a ratio is of two turns in a row. `motifs`: from random weights to a test AUROC, by the documented commands.
"""

import argparse
import dataclasses
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu_training import write_model
from benchmarks.motifs import write_motifs
from benchmarks.peers import head_recipe, hf_classifier
from benchmarks.turns import at_least_two, ratios, take_turns
from evaluation.suite.output import result_path
from evaluation.suite.result import read_evaluation

BATCHES = (8, 16, 32)
"""Micro-batches of theirs; the quickest is compared with, and is ours too."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one of them, and print its table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("speed", "motifs"))
    options.add_argument("out", type=Path, nargs="?", default=Path("motifs"))
    options.add_argument("--rounds", type=at_least_two, default=7)
    options.add_argument("--steps", type=int, default=4, help="optimizer steps of a turn")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--sequences", type=int, default=4_000)
    options.add_argument("--length", type=int, default=48)
    options.add_argument("--override", action="append", default=[], help="of the recipe: key=value")
    given = options.parse_args(arguments)
    if given.what == "speed":
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), given.rounds, given.steps, given.threads, given.length)
    else:
        solve(given.out, given.sequences, given.length, given.override)


def compare(folder: Path, rounds: int, steps: int, threads: int, length: int) -> None:
    """A row for all weights and one for LoRA."""
    write_model(folder, "llama3_tiny_genomic_config")
    write_motifs(folder / "motifs", sequences=32 * steps * (rounds + 2), length=length)
    print(f"32 x {length} bases a step, fp32, {threads} threads, {rounds} turns of {steps} steps\n")
    print(
        "| samples/s, ours to `transformers.Trainer` | micro-batch of both | lower quartile | median | upper quartile |"
    )
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, rank in (("all weights", 0), ("LoRA, rank 8", 8)):
        values = {"steps": (rounds + 1) * steps, "threads": threads, "length": length, "rank": rank, "batch": 32}
        best = _best_batch(folder, values, steps)
        players = {"theirs": hf_classifier.train, "ours": head_recipe.train}
        turns = take_turns(players, (folder, {**values, "micro": best}), rounds=rounds, steps=steps)
        losses = [[loss for turn in turns[side] for loss in turn.losses] for side in players]
        # Adapters start from random numbers, which are others in PEFT: their losses agree at the start alone.
        compared = losses if not rank else [side[:1] for side in losses]
        np.testing.assert_allclose(*compared, rtol=2e-3)
        found = ratios(*([turn.clock for turn in turns[side][1:]] for side in players))
        print(f"| {name} | {best} | " + " | ".join(f"{ratio:.2f} x" for ratio in found) + " |", flush=True)


def _best_batch(folder: Path, values: dict[str, Any], steps: int) -> int:
    """Their quickest micro-batch, of two turns each."""
    short = {**values, "steps": 3 * steps}
    seconds = {}
    for micro in BATCHES:
        turns = take_turns({"theirs": hf_classifier.train}, (folder, {**short, "micro": micro}), rounds=2, steps=steps)
        seconds[micro] = min(turn.clock for turn in turns["theirs"][1:])
    return min(seconds, key=lambda micro: seconds[micro])


def solve(out: Path, sequences: int, length: int, overrides: Sequence[str]) -> None:
    """Train the tiny model from random weights on the order of two motifs, and evaluate it on the test sequences."""
    write_motifs(out / "table", sequences=sequences, length=length)
    write_start(out / "start")
    began = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    steps = sequences // 32
    words = [
        "optimizer.lr=1e-3",
        f"optimizer.schedule_steps={steps}",
        f"trainer.validate_every={steps // 3}",
        *overrides,
    ]
    _run(
        "train", "llama3_tiny_genomic_classify", f"init_from={out / 'start'}", f"head.train={out / 'table'}",
        f"run_dir={out / 'run'}", f"dataset.sequence_length={length}", *words,
    )  # fmt: skip
    seconds = time.perf_counter() - began[0]
    processor = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began[1]
    _run("convert", str(out / "run"), str(out / "model"), "--to", "hf", "--overwrite")
    test, train = out / "table" / "test.csv", out / "table" / "train.csv"
    suite = out / "suite.yaml"
    suite.write_text(f"labels:\n- name: motifs\n  table: {test}\n  fitted_on: {train}\n", encoding="utf-8")
    _run("evaluate", str(suite), str(out / "model"), "--out", str(out / "evaluation"))
    (result,) = read_evaluation(result_path(out / "evaluation", out / "model")).tasks
    auroc = next(one for one in result.metrics if one.metric == "AUROC")
    print("\n| test AUROC | 6-mers, logistic | test sequences | training, start to end | of the processor |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    print(f"| {auroc.value:.3f} | {auroc.baseline:.3f} | {auroc.count:,} | {seconds:.0f} s | {processor:.0f} s |")


def write_start(folder: Path) -> None:
    """The tiny model before any training, with the embeddings that our recipes start from."""
    import torch
    from transformers import AutoConfig, LlamaForCausalLM

    from configs.llama import hf_config, read_architecture

    torch.manual_seed(0)
    architecture = dataclasses.replace(read_architecture("llama3_tiny_genomic_config"), dtype="float32")
    model = LlamaForCausalLM(AutoConfig.for_model(**hf_config(architecture)))
    torch.nn.init.normal_(model.model.embed_tokens.weight)
    model.save_pretrained(folder)


def _run(*words: str) -> None:
    subprocess.run([str(Path(sys.executable).with_name("genomic-llama")), *words], check=True)


if __name__ == "__main__":
    main()
