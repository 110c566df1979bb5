"""`transformers.Trainer` on `LlamaForCausalLM`: the model, samples, order and optimizer that our recipe has."""

from pathlib import Path
from typing import Any

from benchmarks.peers.trainer_in_turns import trainer_in_turns
from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, samples: Any, values: dict[str, Any]) -> None:
    """Train `folder/hf` on `samples`, in memory."""
    import torch
    import transformers

    torch.set_num_threads(values["threads"])
    # Labels are the next tokens already, as ours; the model takes them as they are under this name.
    rows = [
        {"input_ids": tokens, "labels": labels, "shift_labels": labels}
        for tokens, labels in torch.from_numpy(samples).long()
    ]
    llama = transformers.LlamaForCausalLM.from_pretrained(
        folder / "hf", dtype=torch.float32, attn_implementation="sdpa"
    )
    llama.config.use_cache = False  # without it is faster
    trainer_in_turns(
        turns, llama, rows, folder, steps=values["steps"], micro=values["micro_batch_size"],
        batch=values["global_batch_size"], lr=values["lr"],
    ).train()  # fmt: skip
