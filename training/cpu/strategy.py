"""NeMo's Megatron strategy on a CPU: active from `connect` to `teardown`, and only then."""

import contextlib
from collections.abc import Mapping
from typing import Any

import torch

from training.cpu.adam import check_steps
from training.cpu.stand_in import cpu_stand_in
from training.strategy import GenomicMegatronStrategy


class CpuMegatronStrategy(GenomicMegatronStrategy):
    """`GenomicMegatronStrategy` inside `cpu_stand_in`. Give it to a trainer with `accelerator="cpu"`.

    It has no `__init__` of its own, because NeMo records a strategy's arguments by the signature of that.
    """

    _stand_in: contextlib.ExitStack | None = None

    def connect(self, model: Any) -> None:
        self._exit_stand_in()
        self._stand_in = contextlib.ExitStack()
        self._stand_in.enter_context(cpu_stand_in())
        super().connect(model)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any], selective_restore: bool = False) -> None:
        check_steps(checkpoint.get("optimizer"))
        with torch.no_grad():  # the distributed optimizer copies into views of its parameters
            super().load_optimizer_state_dict(checkpoint, selective_restore)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self._exit_stand_in()

    def _exit_stand_in(self) -> None:
        if self._stand_in is not None:
            self._stand_in.close()
            self._stand_in = None
