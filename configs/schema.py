"""What a training configuration may say: every field with its type and unit. Values are in the YAML files beside this.

Hydra checks a configuration against these classes, so a key that no reader knows is an error.
"""

from dataclasses import dataclass, field
from typing import Any

from foundation import typed

MISSING: Any = typed.MISSING



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
    """AdamW, and its learning rate over the steps."""

    lr: float = MISSING  # the peak
    min_lr: float = MISSING  # at the end of the decay
    warmup_steps: int = MISSING
    schedule_steps: int = MISSING  # warm-up to decay; does not change when a run is cut short or extended
    schedule: str = "cosine"  # after the warm-up; wsd: constant, then a decay (warm-up, stable, decay)
    decay_steps: int = 0  # of wsd: the last of schedule_steps
    decay: str = "minus_sqrt"  # of wsd: 1 - sqrt(x), or linear
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1  # none on norms, biases and embeddings
    clip_grad: float = 1.0  # largest L2 norm of all gradients; 0: not clipped
    z_loss: float = 0.0  # weight of log(Z)^2 in the loss (PaLM: 1e-4); 0: none, at no cost
    embedding_init_std: float = 1.0  # "Spike No More" (Takase et al. 2024)


@dataclass
class PrecisionConfig:
    """Number formats."""

    compute: str = MISSING  # bf16-mixed or 32
    grad_reduce_in_fp32: bool = True  # gradients are accumulated and summed over the devices in fp32; else in bf16
    moments: str = "float32"  # of Adam: float32, or bfloat16 with parallelism.precision_aware_optimizer
    fp8: str = "none"  # scaling of the FP8 matrix products: none, delayed, tensorwise or mxfp8
    fp8_format: str = "hybrid"  # hybrid (E4M3 forward, E5M2 backward) or e4m3
    fp8_amax_history: int = 1  # steps whose largest values set the scale; delayed scaling alone looks at it
    fp8_bf16_layers: int = 0  # layers at the start, and as many at the end, that stay in bf16
    fp8_parameters: bool = False  # weights are stored and gathered in FP8


@dataclass
class ParallelismConfig:
    """How one model is laid over the devices; what is left over is data parallel."""

    gpus: int | None = None  # devices that a named layout is meant for; null: any number
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    sequence_parallel: bool = False
    distributed_optimizer: bool = True  # ZeRO-1
    precision_aware_optimizer: bool = False  # Transformer Engine's Adam; fp32 master weights as bf16 and remainders
    overlap: bool = True  # gradient reduction and parameter gathering behind the computation
    recompute_layers: int = 0  # layers of each pipeline stage whose activations are computed again, not kept


@dataclass
class HardwareConfig:
    """The machine."""

    accelerator: str = MISSING  # gpu, or cpu for tests and first steps
    devices: int = MISSING  # GPUs, or processes, of one node
    num_nodes: int = 1
    gpu: str = "none"  # name of the GPU
    compute_capability: float = 0.0  # CUDA's; decides which FP8 formats there are
    memory_gib: float = 0.0  # of one GPU, GiB
    bf16_tflops: float = 0.0  # peak of one GPU without sparsity, TFLOP/s
    fp8_tflops: float = 0.0


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
class LoggingConfig:
    """Where metrics go beside `metrics.jsonl` and the console. Nothing leaves the machine unless told to."""

    tensorboard: bool = True  # RUN/tensorboard
    wandb: str | None = None  # project in Weights & Biases; null: none
    wandb_offline: bool = True  # written to RUN/wandb, sent by `wandb sync`; false: sent at once
    mlflow: str | None = None  # experiment in MLflow; null: none
    mlflow_uri: str | None = None  # tracking server; null: files in RUN/mlruns


@dataclass
class GuardsConfig:
    """What stops a run before it spoils its weights, or waits for ever; docs/recovery.md."""

    non_finite: str = "skip"  # a loss or gradient that is NaN or infinite: skip its step, or stop
    spike: str = "report"  # a loss far above the recent ones: report, skip or stop
    spike_deviations: float = 10.0  # how far above their median, in standard deviations
    spike_window: int = 128  # steps that are recent
    most_skipped: int = 3  # of the recent steps; the run stops above it
    skip_steps: list[str] = field(default_factory=list)  # 1500 or 1200-1300: steps whose samples are left out
    hang_seconds: float = 900.0  # without a sign of life of a rank, after which it is ended; 0: never
    hang_factor: float = 30.0  # so many times the median step, and at least a minute, in a step


@dataclass
class LoraConfig:
    """Low-rank adapters (Hu et al. 2021) on the four linear layers of each block; all else is frozen."""

    dim: int = 0  # rank of the adapters; 0: no adapters, every weight is trained
    alpha: int = 32  # what an adapter adds is scaled by alpha / dim
    dropout: float = 0.0  # of what an adapter reads


@dataclass
class TrainConfig:
    """One training run."""

    name: str = "genomic"  # of the model; `run_dir` is made of it
    model_tag: str = MISSING  # directory with a Llama config.json: a path, or the name of one in configs/
    run_dir: str = MISSING  # everything that the run writes
    seed: int = 1234
    init_from: str | None = None  # checkpoint of any format, or run, whose weights a new run starts from
    finetune: bool = False  # NeMo's llm.finetune in place of llm.pretrain; init_from has to be given
    lora: LoraConfig = field(default_factory=LoraConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    parallelism: ParallelismConfig = field(default_factory=ParallelismConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    guards: GuardsConfig = field(default_factory=GuardsConfig)
