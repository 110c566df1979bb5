"""The run log of a head: beside the loss, how good its validation predictions are, compared with baselines."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from megatron.core import parallel_state

from conversion.calibration import CALIBRATION
from evaluation.baselines.bases import example_baselines
from evaluation.labelled.measures import measure, probabilities
from evaluation.labelled.targets import IGNORED
from evaluation.prediction.calibration import fit_calibration
from foundation.errors import InputError
from foundation.heartbeat import HEARTBEAT
from training.heads.loss import HeadLoss
from training.metrics.loss_sums import MeanLoss
from training.metrics.run_log import RunLog

BASELINES = "baselines"
"""The key of a validation line that has what needs no model."""


class HeadLog(RunLog):
    """As `RunLog`. A validation line has the measures of `evaluation.labelled.measures` under `validation`, and the
    calibration fitted to them; the first has those of the baselines, under `baselines`.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self.measures: dict[str, float] = {}
        self._kind, self._both = pl_module.config.head_kind, pl_module.config.head_both_strands
        self._said_baselines = trainer.global_step > 0
        self._bases = torch.zeros((), dtype=torch.int64)
        self._rows: list[tuple[npt.NDArray[Any], ...]] = []

    def on_megatron_microbatch_end(self, step: Any, batch: Any, output: torch.Tensor, forward_callback: Any) -> None:
        if self._validation is None:
            self._bases = self._bases.to(batch["lengths"].device) + batch["lengths"].sum()
            return
        losses, _ = HeadLoss(kind=self._kind).losses(output.float(), batch["labels"], batch["real"])
        self._rows.append(_labelled_values(batch, output.float(), losses, kind=self._kind, both=self._both))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_validation_start(trainer, pl_module)
        self._rows = []

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Gather the predictions of all ranks, and measure them; every rank computes the same. Collective."""
        logits, truth, losses = self._gathered()
        self._validation = None
        self._fitted = fit_calibration(self._kind, logits, truth)
        outputs = probabilities(self._kind, logits)
        if self._both:
            outputs, truth = outputs.reshape(-1, 2, outputs.shape[-1]).mean(axis=1), truth[::2]
        self.measures = {"loss": losses, **measure(self._kind, outputs, truth)}
        self._validated = [], MeanLoss(loss=losses, bits_per_base=None, bases=len(truth))
        pl_module.log("val_loss", losses, batch_size=1)

    def _gathered(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], float]:
        """Logits and truth of all samples, or of all labelled bases, in their order, and the mean loss.

        Where both strands are read, the two readings of a sample, or of a base, are neighbours.
        """
        group = parallel_state.get_data_parallel_group()
        parts: list[Any] = [None] * torch.distributed.get_world_size(group)
        torch.distributed.all_gather_object(parts, self._rows, group=group)
        rows = [row for part in parts for row in part]
        place, logits, truth, losses, counts = (np.concatenate([row[i] for row in rows]) for i in range(5))
        order = np.lexsort(place.T[::-1])
        return logits[order], truth[order], float(losses.sum() / max(1, counts.sum()))

    def _validation_line(self, trainer: Any, of_each: list[MeanLoss], mean: MeanLoss) -> dict[str, Any]:
        measures = {name: value for name, value in self.measures.items() if name != "loss"}
        line: dict[str, Any] = {"validation_loss": mean.loss, "validation": measures}
        if self._fitted is not None:
            line[CALIBRATION] = self._fitted
        if not self._said_baselines:
            self._said_baselines = True
            line[BASELINES] = self._baselines(trainer)
        return line

    def _baselines(self, trainer: Any) -> dict[str, dict[str, float]]:
        HEARTBEAT.set_activity("fitting the k-mer baseline")
        splits = trainer.datamodule.splits
        found = example_baselines(self._kind, splits.train, splits.validation, classes=len(splits.targets.labels))
        return {one.name: one.measures for one in found}

    def _end_interval(self, trainer: Any) -> None:
        """Log the steps since the last time, with the bases that all ranks have read. Collective."""
        read = self._bases.cuda()
        torch.distributed.all_reduce(read, group=parallel_state.get_data_parallel_group())
        self._read, self._bases = int(read), torch.zeros((), dtype=torch.int64)
        if trainer.is_global_zero:
            self._log_steps(trainer, MeanLoss(loss=None, bits_per_base=None, bases=self._read))
        self._steps = 0

    def _tokens(self, data: Any) -> int:
        return self._read

    def _own_fields(self, data: Any, seconds: float) -> dict[str, Any]:
        return {"samples_per_second": self._steps * data.global_batch_size / seconds}

    def _tell_loggers(self, trainer: Any, values: dict[str, Any]) -> None:
        super()._tell_loggers(trainer, {key: one for key, one in values.items() if key not in (CALIBRATION, BASELINES)})


def _labelled_values(
    batch: dict[str, torch.Tensor], logits: torch.Tensor, losses: torch.Tensor, *, kind: str, both: bool
) -> tuple[npt.NDArray[Any], ...]:
    """Place, logits, labels, loss and count of each real sample, on the CPU; of each labelled base, for such heads.

    A place is what to sort by, [rows, 3]: the sequence, the base on its forward strand, and the strand.
    """
    real, labels = batch["real"] > 0, batch["labels"]
    counted = torch.ones_like(losses)[real]
    index, lengths = batch["index"][real], batch["lengths"][real]
    logits, labels, losses = logits[real], labels[real], losses[real]
    turned = index % 2 if both else torch.zeros_like(index)
    sequence, base = index // 2 if both else index, torch.zeros_like(index)
    if kind in ("tokens", "track"):
        known = labels != IGNORED if kind == "tokens" else torch.isfinite(labels)
        counted = known.sum(1)
        row, base = known.nonzero(as_tuple=True)
        sequence, turned, lengths = sequence[row], turned[row], lengths[row]
        base = torch.where(turned > 0, lengths - 1 - base, base)
        logits, labels = logits[known], labels[known]
    found = (torch.stack([sequence, base, turned], dim=1), logits, labels, losses, counted)
    return tuple(one.detach().cpu().numpy() for one in found)


def head_log(trainer: Any) -> HeadLog:
    """The `HeadLog` of a trainer. Errors: `InputError` where it has none."""
    found = next((one for one in trainer.callbacks if isinstance(one, HeadLog)), None)
    if found is None:
        raise InputError("head.stop_metric without a head", fix="Give head.kind.", kind="stop-without-head")
    return found
