"""`transformers.Trainer` on `LlamaForSequenceClassification`, with PEFT for LoRA: for benchmarks/finetuning.py."""

from pathlib import Path
from typing import Any

from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, values: dict[str, Any]) -> None:
    """Train `folder/hf` with a new head on `folder/motifs`, in the order of our recipe, in memory."""
    import torch
    import transformers
    from torch.utils.data import SequentialSampler

    torch.set_num_threads(values["threads"])

    class Trainer(transformers.Trainer):
        def _get_train_sampler(self, dataset: Any = None) -> SequentialSampler:
            return SequentialSampler(self.train_dataset)

    class TakeTurns(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if "loss" in logs:
                turns.step(float(logs["loss"]))

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
    trainer = Trainer(
        model=model,
        train_dataset=_rows(folder, values),
        callbacks=[TakeTurns()],
        args=transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            max_steps=values["steps"],
            per_device_train_batch_size=values["micro"],
            gradient_accumulation_steps=values["batch"] // values["micro"],
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            adam_beta1=0.9,
            adam_beta2=0.95,
            adam_epsilon=1e-8,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=True,
            dataloader_pin_memory=False,
        ),
    )
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
