"""An adapter of PEFT against our merged export, in fp32: the largest difference of their logits.

    python -m benchmarks.adapters [--steps 20]

A tiny model from random weights gets an adapter by the documented commands, on the built-in corpus: once for a language
model, once with a head for two classes. PEFT loads what `convert --to peft` wrote beside the base, transformers what
`convert --to hf` wrote.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.finetuning import write_start
from benchmarks.motifs import write_motifs

LENGTH, ROWS = 256, 8
WARMED_UP = ("optimizer.warmup_steps=1", "optimizer.lr=1e-3", "trainer.validate_every=1000")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, convert both ways, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=20)
    given = options.parse_args(arguments)
    print("| adapter of | largest difference | largest logit | changed by the adapter |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        write_start(base)
        write_motifs(Path(folder) / "motifs", sequences=640, length=48)
        for name, words in _runs(Path(folder)).items():
            out = Path(folder) / name.split()[1].rstrip(",")
            length = (f"trainer.max_steps={given.steps}", f"optimizer.schedule_steps={given.steps}")
            _run("train", *words, f"init_from={base}", f"run_dir={out}", "lora.dim=8", *length, *WARMED_UP, "--quiet")
            _run("convert", str(out), f"{out}_peft", "--to", "peft", "--base", str(base))
            _run("convert", str(out), f"{out}_hf", "--to", "hf")
            found = compare(base, Path(f"{out}_peft"), Path(f"{out}_hf"), head="head" in name)
            print(f"| {name} | " + " | ".join(f"{value:.2g}" for value in found) + " |", flush=True)


def _runs(folder: Path) -> dict[str, tuple[str, ...]]:
    return {
        "a language model": ("finetune_tiny_lora", f"dataset.sequence_length={LENGTH}"),
        "a classifier, with its head": (
            "llama3_tiny_genomic_classify", f"head.train={folder / 'motifs'}", "dataset.sequence_length=48",
        ),
    }  # fmt: skip


def compare(base: Path, adapter: Path, merged: Path, *, head: bool) -> tuple[float, float, float]:
    """The largest difference of logits on random bases, the largest logit, and how much the adapter changes at most."""
    import torch
    from peft import PeftModel

    tokens = torch.tensor(list(b"ACGT"))[torch.randint(4, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))]
    with torch.no_grad():
        wanted = _load(merged, head)(tokens).logits
        model = PeftModel.from_pretrained(_load(base, head), adapter).eval()
        found = model(tokens).logits
        with model.disable_adapter():
            before = model(tokens).logits
    difference, largest, change = (float(one.abs().max()) for one in (found - wanted, wanted, wanted - before))
    return difference, largest, change


def _load(directory: Path, head: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    kind = AutoModelForSequenceClassification if head else AutoModelForCausalLM
    return kind.from_pretrained(directory, dtype=torch.float32, **({"num_labels": 2} if head else {})).eval()


def _run(*words: str) -> None:
    command = [str(Path(sys.executable).with_name("genomic-llama")), *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise SystemExit(found.stderr)


if __name__ == "__main__":
    main()
