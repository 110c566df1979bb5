"""AdamW on CPU tensors with the state that Transformer Engine's Adam has on a GPU."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.optim.adamw import adamw

from foundation.errors import InputError


class CpuAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019) that counts steps once for each parameter group.

    torch's own counts them for each parameter, in which form the distributed optimizer cannot save them
    (megatron-core 0.15.3, distrib_optimizer.py). Of the arguments, `adam_w_mode` is Transformer Engine's: decoupled
    weight decay, the one mode that there is here. `capturable` is of CUDA graphs, and changes nothing.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
        eps: float,
        adam_w_mode: bool,
        capturable: bool = False,
    ) -> None:
        if not adam_w_mode:
            raise ValueError("the CPU optimizer is AdamW: its weight decay is decoupled")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step, for the parameters that have a gradient."""
        for group in self.param_groups:
            done = group.get("step", 0)
            group["step"] = done + 1
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state_of(parameter) for parameter in parameters]
            adamw(
                parameters,
                [parameter.grad for parameter in parameters],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [torch.tensor(float(done)) for _ in parameters],
                fused=True,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def _state_of(self, parameter: torch.Tensor) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = self.state[parameter]
        if not state:
            state |= {"exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
            self.state[parameter] = state
        return state


def check_steps(state: Any) -> None:
    """Refuse optimizer state whose parameter groups do not record the number of steps.

    Torch's own AdamW, which an earlier version used, kept them elsewhere. Without them, Adam would count steps from 0
    with old moments. Errors: `InputError`.
    """
    if any(group.get("params") and "step" not in group for group in _groups(state)):
        raise InputError(
            "the checkpoint's optimizer does not know its step: an earlier version wrote it",
            fix="Start a new run from its weights: init_from=CHECKPOINT and another run_dir.",
            kind="optimizer-without-step",
        )


def _groups(state: Any) -> Iterator[dict[str, Any]]:
    """The parameter groups, however the optimizers are wrapped and chained."""
    if isinstance(state, list | tuple):
        for part in state:
            yield from _groups(part)
    elif isinstance(state, dict):
        yield from state.get("param_groups", ())
        for key, part in state.items():
            if key == "optimizer" or isinstance(key, int):
                yield from _groups(part)
