"""`transformers.Trainer` on `LlamaForSequenceClassification`, with PEFT for LoRA: for benchmarks/finetuning.py."""

from pathlib import Path
from typing import Any

from benchmarks.peers.trainer_in_turns import trainer_in_turns
from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, values: dict[str, Any]) -> None:
    """Train `folder/hf` with a new head on `folder/motifs`, in the order of our recipe, in memory."""
    import torch
    import transformers

    torch.set_num_threads(values["threads"])
    model = transformers.LlamaForSequenceClassification.from_pretrained(
        folder / "hf", dtype=torch.float32, attn_implementation="sdpa", num_labels=2
    )
    model.config.use_cache = False
    torch.nn.init.zeros_(model.score.weight)
    if values["rank"]:
        import peft

        linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        settings = peft.LoraConfig(task_type="SEQ_CLS", r=values["rank"], lora_alpha=32, target_modules=linear)
        model = peft.get_peft_model(model, settings)
    trainer = trainer_in_turns(
        turns, model, _rows(folder, values), folder, steps=values["steps"], micro=values["micro"],
        batch=values["batch"], lr=1e-3,
    )  # fmt: skip
    # Else its loss is the sum over the accumulated batches: the model has **kwargs, and divides by nothing.
    trainer.model_accepts_loss_kwargs = False
    trainer.train()


def _rows(folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The sequences in the order in which our recipe reads them."""
    import torch

    from configs.schema import HeadConfig
    from evaluation.labelled.splits import read_splits
    from training.heads.batches import LabelledOrder

    examples = read_splits(HeadConfig(kind="classify", train=str(folder / "motifs")), values["length"]).train
    lengths = [len(one.ids) for one in examples]
    order = LabelledOrder(lengths, batch=values["batch"], seed=1234, both_strands=False)
    served = [examples[order(index)[0]] for index in range(values["steps"] * values["batch"])]
    return [{"input_ids": torch.tensor(one.ids.tolist()), "labels": int(one.target)} for one in served]
