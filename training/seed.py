"""Everything random: one seed for initial weights and dropout, and states that belong to training steps alone.

The order of samples does not depend on these states: the data module computes it from the seed.
"""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin

State = dict[str, Any]


class Seed(Callback, IOMixin):  # type: ignore[misc]
    """Seeds with the data module's seed, after NeMo has set up its process groups (it always takes 1234 there).

    That is before the model is built.

    The random states after a step are those that the next step begins with, whatever drew numbers in between, a
    validation or a resume. NeMo's checkpoints have none; here they have those of each rank. Under another layout they
    fit no rank, and each starts again from the seed and the step.
    """

    def __init__(self) -> None:
        self._seed = 0
        self._state: State | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._seed = trainer.datamodule.seed
        self._seed_rank(0)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self._state is not None:
            set_states(self._state)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._state = states()

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, the same on every rank. Collective."""
        ranks: list[State] = [{} for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather_object(ranks, self._state or states())
        return {"layout": _layout(), "ranks": ranks}

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint["callbacks"].get(self.state_key)
        if saved and saved["layout"] == _layout():
            self._state = saved["ranks"][torch.distributed.get_rank()]
        else:
            self._seed_rank(int(checkpoint["global_step"]))
            self._state = states()

    def _seed_rank(self, steps: int) -> None:
        from megatron.core import parallel_state
        from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

        seed = self._seed + 100 * parallel_state.get_pipeline_model_parallel_rank() + 1_000_003 * steps
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        model_parallel_cuda_manual_seed(seed)


def states() -> State:
    """The states of all generators that this process draws from."""
    from megatron.core.tensor_parallel import get_cuda_rng_tracker

    name, keys, *rest = np.random.get_state(legacy=True)
    tracked = get_cuda_rng_tracker().get_states()  # generators, and no states, where CUDA graphs capture them
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "tracked": {name: state.clone() for name, state in tracked.items() if torch.is_tensor(state)},
    }


def set_states(state: State) -> None:
    """Go on as the generators were when `states` was called."""
    from megatron.core.tensor_parallel import get_cuda_rng_tracker

    name, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
    tracker = get_cuda_rng_tracker()
    tracker.set_states(tracker.get_states() | {name: tensor.clone() for name, tensor in state["tracked"].items()})


def _layout() -> dict[str, int]:
    from megatron.core import parallel_state

    return {
        "ranks": torch.distributed.get_world_size(),
        "tensor": parallel_state.get_tensor_model_parallel_world_size(),
        "pipeline": parallel_state.get_pipeline_model_parallel_world_size(),
        "context": parallel_state.get_context_parallel_world_size(),
    }
