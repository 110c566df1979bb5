"""What a training configuration may say: every field with its type and unit. Values are in the YAML files beside this.

Hydra checks a configuration against these classes, so a key that no reader knows is an error.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class DatasetConfig:
    """What is read, and how many samples at a time."""

    # Directory written by `genomic-llama prepare`, or "synthetic", or a blend: [{corpus: DIRECTORY, weight: 0.7}, ...]
    corpus: Any = MISSING
    mode: str = "concat"  # documents end to end; window: within one; packed: several, attention reset at each
    stride: int | None = None  # tokens from one window to the next; null: sequence_length
    tokenizer_path: str = MISSING  # directory of a Hugging Face tokenizer; checked to be the 256-token vocabulary
    sequence_length: int | None = None  # tokens a sample; null: the architecture's max_position_embeddings
    micro_batch_size: int = MISSING  # samples of one forward pass on one device
    global_batch_size: int = MISSING  # samples of one optimizer step on all devices
    soft_mask_weight: float = 0.1  # loss weight of lower-case bases (Evo 2's); two decimals
    markup_weight: float = 0.0  # loss weight of OpenGenome2's tags and joins; two decimals
    reverse_complement: bool = False  # read a random half of the samples as their reverse complement
    num_workers: int = 0  # data-loading processes of one device


@dataclass
class OptimizerConfig:
    """AdamW with linear warm-up and cosine decay."""

    lr: float = MISSING  # the peak
    min_lr: float = MISSING  # at the end of the decay
    warmup_steps: int = MISSING
    schedule_steps: int = MISSING  # warm-up and decay together; does not change when a run is cut short or extended
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1  # none on norms, biases and embeddings
    clip_grad: float = 1.0  # largest L2 norm of all gradients
    embedding_init_std: float = 1.0  # "Spike No More" (Takase et al. 2024)


@dataclass
class PrecisionConfig:
    """Number formats."""

    compute: str = MISSING  # bf16-mixed or 32
    grad_reduce_in_fp32: bool = True


@dataclass
class ParallelismConfig:
    """How one model is laid over the devices; what is left over is data parallel."""

    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    sequence_parallel: bool = False
    distributed_optimizer: bool = True  # ZeRO-1
    overlap: bool = True  # gradient reduction and parameter gathering behind the computation


@dataclass
class HardwareConfig:
    """The machine."""

    accelerator: str = MISSING  # gpu, or cpu for tests and first steps
    devices: int = MISSING  # GPUs, or processes, of one node
    num_nodes: int = 1


@dataclass
class TrainerConfig:
    """How long, and how often to look."""

    max_steps: int = MISSING  # optimizer steps
    validate_every: int = MISSING  # steps
    validation_batches: int = MISSING  # global batches of one validation
    checkpoint_every: int = MISSING  # steps
    keep_checkpoints: int = 2  # the newest ones; -1 keeps all
    log_every: int = 1  # steps
    async_checkpoints: bool = True  # write while training goes on


@dataclass
class TrainConfig:
    """One training run."""

    model_tag: str = MISSING  # directory with a Llama config.json: a path, or the name of one in configs/
    run_dir: str = MISSING  # everything that the run writes
    seed: int = 1234
    init_from: str | None = None  # NeMo checkpoint whose weights a new run starts from
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    parallelism: ParallelismConfig = field(default_factory=ParallelismConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
