"""A model of 256 positions finds a needle 1,000 bases back once it is extended to 1,024, and not before.

needle: 24 of R, Y, K or M | filler: random bases, soft-masked, which weigh nothing | N | A, C, G or T for the needle
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpora import prepare
from parallel_cases import trained
from refusal import refused

from configs.llama import hf_config, read_architecture
from conversion.convert import convert
from evaluation.likelihood.likelihood import plan_context

NEEDLES, BASES = (np.frombuffer(letters, dtype=np.uint8) for letters in (b"RYKM", b"ACGT"))


def documents(count: int, length: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """[count, length - 1]: with the EOS, `length` tokens each."""
    found = random.choice(np.frombuffer(b"acgt", dtype=np.uint8), size=(count, length - 1))
    which = random.integers(0, 4, count)
    found[:, : length // 10], found[:, -2], found[:, -1] = NEEDLES[which][:, None], ord("N"), BASES[which]
    return found


def corpus_of(folder: Path, length: int, count: int) -> Path:
    records = documents(count, length, np.random.default_rng(length))
    text = b"".join(b">%d\n%s\n" % (number, record.tobytes()) for number, record in enumerate(records))
    (folder / f"{length}.fa").write_bytes(text)
    prepare([folder / f"{length}.fa"], folder / f"corpus{length}", validation_fraction=0.1)
    return folder / f"corpus{length}"


def right(model: Path, length: int) -> float:
    """The share of needles that are told, of documents of a length."""
    import torch
    from transformers import LlamaForCausalLM

    found = documents(64, length, np.random.default_rng(7))
    shouted = np.where(found >= ord("a"), found - 32, found)
    loaded = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.inference_mode():
        logits = loaded(torch.from_numpy(shouted[:, :-1].astype(np.int64))).logits[:, -1]
    best = logits[:, BASES.tolist()].argmax(-1).numpy()
    return float((BASES[best] == shouted[:, -1]).mean())


def model_of(folder: Path, positions: int) -> Path:
    tiny = read_architecture("llama3_tiny_genomic_config")
    small: dict[str, Any] = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 2, "head_dim": 32}
    small |= {"num_key_value_heads": 1, "intermediate_size": 128, "rope_theta": 300.0}
    config = hf_config(dataclasses.replace(tiny, **small, max_position_embeddings=positions))
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(config))
    return folder / "model"


@pytest.mark.parametrize(("positions", "longer"), [(64, 256), pytest.param(256, 1024, marks=pytest.mark.torture)])
def test_a_needle_beyond_the_context_is_found_after_extension(positions: int, longer: int, tmp_path: Path) -> None:
    model = model_of(tmp_path, positions)
    values = (f"model_tag={model}", "dataset.mode=window", "dataset.soft_mask_weight=0", "dataset.micro_batch_size=16")
    values += ("dataset.global_batch_size=16", "optimizer.warmup_steps=5", "optimizer.lr=1e-2", "optimizer.min_lr=1e-3")

    def train(run: str, length: int, steps: int, *words: str) -> Path:
        lengths = (f"dataset.sequence_length={length}", f"optimizer.schedule_steps={steps}")
        corpus = corpus_of(tmp_path, length, 400)
        trained(
            tmp_path / run, corpus, "train_tiny", *values, *lengths, *words, "trainer.checkpoint_every=100", steps=steps
        )
        convert(tmp_path / run, tmp_path / f"{run}_hf", to="hf")
        return tmp_path / f"{run}_hf"

    base = train("base", positions, 40)
    assert right(base, positions) > 0.95
    assert right(base, longer) < 0.6
    with refused("context-length", names=str(longer - 24), fix=str(positions)):
        plan_context(read_architecture(base).max_position_embeddings, context_length=longer - 24, stride=None)
    extended = train("extended", longer, 15, f"rope.factor={longer // positions}", f"init_from={tmp_path}/base")
    assert right(extended, longer) > 0.95
    assert plan_context(read_architecture(extended).max_position_embeddings, context_length=longer, stride=None)
