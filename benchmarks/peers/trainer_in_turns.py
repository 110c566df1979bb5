"""`transformers.Trainer` with our samples' order, our optimizer and our schedule, which waits for its turns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.turns import Turns


def trainer_in_turns(
    turns: Turns, model: Any, rows: Sequence[Any], folder: Path, *, steps: int, micro: int, batch: int, lr: float
) -> Any:
    """The trainer of `model` on `rows`, in memory, which is more than we grant ourselves.

    `micro`: samples of a forward pass; `batch`: of an optimizer step.
    """
    import transformers
    from torch.utils.data import SequentialSampler

    class Trainer(transformers.Trainer):
        def _get_train_sampler(self, dataset: Any = None) -> SequentialSampler:
            return SequentialSampler(self.train_dataset)

    class TakeTurns(transformers.TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if "loss" in logs:
                turns.step(float(logs["loss"]))

    return Trainer(
        model=model,
        train_dataset=rows,
        callbacks=[TakeTurns()],
        args=transformers.TrainingArguments(
            output_dir=str(folder / "trainer"),
            max_steps=steps,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=batch // micro,
            learning_rate=lr,
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
