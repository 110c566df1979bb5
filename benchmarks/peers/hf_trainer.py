"""`transformers.Trainer` on `LlamaForCausalLM`: the model, samples, order and optimizer that our recipe has."""

from pathlib import Path
from typing import Any

from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, samples: Any, values: dict[str, Any]) -> None:
    """Train `folder/hf` on `samples`, in memory, which is more than we grant ourselves."""
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

    # Labels are the next tokens already, as ours; the model takes them as they are under this name.
    rows = [
        {"input_ids": tokens, "labels": labels, "shift_labels": labels}
        for tokens, labels in torch.from_numpy(samples).long()
    ]
    llama = transformers.LlamaForCausalLM.from_pretrained(
        folder / "hf", dtype=torch.float32, attn_implementation="sdpa"
    )
    llama.config.use_cache = False  # without it is faster
    Trainer(
        model=llama,
        train_dataset=rows,
        callbacks=[TakeTurns()],
        args=transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            max_steps=values["steps"],
            per_device_train_batch_size=values["micro_batch_size"],
            gradient_accumulation_steps=values["global_batch_size"] // values["micro_batch_size"],
            learning_rate=values["lr"],
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
    ).train()
