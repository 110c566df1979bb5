"""What a task's function is given: the model, the data, and a place for what it has so far."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.causal_lm.model import CausalLM, positions_of
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.spec import TaskSpec
from foundation.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def journal_path(folder: Path, task: str) -> Path:
    """Where the task keeps what it has so far."""
    return folder / f"{task}.journal"


@dataclass(frozen=True, kw_only=True)
class Context:
    """`directory`: of the model; `folder`: of its results, where a task may keep temporary files named after it."""

    model: "PreTrainedModel | CausalLM"
    directory: Path
    data: TaskData
    folder: Path
    dtype: str
    batch_size: int | None = None

    @property
    def spec(self) -> TaskSpec:
        """The task."""
        return self.data.spec

    @property
    def positions(self) -> int:
        """The longest sequence that the model reads, in bases; of another tokenizer, in tokens, of a base or more."""
        return positions_of(self.model)

    @property
    def own_model(self) -> "PreTrainedModel":
        """The model, of our vocabulary. Errors: `InputError` for another, which such a task cannot ask."""
        if isinstance(self.model, CausalLM):
            problem = f"has another tokenizer, with which tasks of the kind {self.spec.kind} do not work"
            raise InputError(problem, where=self.directory, fix="Leave it out.", kind="task-needs-own-model")
        return self.model

    @property
    def journal(self) -> Path:
        """Where a task keeps what it has so far; it is removed when the task is finished."""
        return journal_path(self.folder, self.spec.name)

    def fit(self, window: int) -> tuple[int, list[str]]:
        """`window` cut to the model's positions, and the note that says so."""
        if window <= self.positions:
            return window, []
        unit = "tokens" if isinstance(self.model, CausalLM) else "bases"
        note = f"windows of {self.positions:,} {unit}, the model's positions, in place of {window:,} bases"
        return self.positions, [f"{note}: not comparable with published results"]
