"""One seed for everything random: initial weights and dropout; the order of samples has it from the data module."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from nemo.lightning.io import IOMixin


class Seed(Callback, IOMixin):  # type: ignore[misc]
    """Seeds after NeMo has set up its process groups (it always takes 1234 there) and before the model is built."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        from megatron.core import parallel_state
        from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

        seed = self.seed + 100 * parallel_state.get_pipeline_model_parallel_rank()
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        model_parallel_cuda_manual_seed(seed)
