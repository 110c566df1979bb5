"""The settings of a training run, one row per setting (`configs.settings`). Values are in the YAML files.

A configuration must set each setting that has no default. docs/configuration.md is generated from these rows.
"""

from dataclasses import dataclass, field
from typing import Any

from configs.lora import MODULES, adapter_ranks
from configs.settings import setting


@dataclass
class DatasetConfig:
    """What the run reads, and how many samples per step."""

    corpus: Any = setting(
        "Directory written by `prepare`; `synthetic`; or a blend: [{corpus: DIRECTORY, weight: 0.7}, ...]. A run with "
        "a head reads head.train instead",
        nemo="data.corpus",
        bridge="dataset.corpus",
        unless="head.kind",
    )
    mode: str = setting(
        "`concat`: documents end to end; `window`: each sample within one document; `packed`: several documents per "
        "sample, attention within each",
        default="concat",
        nemo="data.mode",
        bridge="dataset.mode",
        unless="head.kind",
    )
    stride: int | None = setting(
        "Distance between the starts of two windows; null: the sequence length",
        unit="tokens",
        default=None,
        nemo="data.stride",
        bridge="dataset.stride",
        unless="head.kind",
    )
    tokenizer_path: str = setting("Directory of a Hugging Face tokenizer with the 256-token nucleotide vocabulary")
    sequence_length: int | None = setting(
        "Length of a sample; null: the context of the architecture",
        unit="tokens",
        default=None,
        nemo="data.seq_length",
        bridge=("dataset.seq_length", "model.seq_length"),
    )
    micro_batch_size: int = setting(
        "Samples per forward pass on one device",
        unit="samples",
        nemo="data.micro_batch_size",
        bridge="train.micro_batch_size",
    )
    global_batch_size: int = setting(
        "Samples per optimizer step, over all devices",
        unit="samples",
        nemo="data.global_batch_size",
        bridge=("train.global_batch_size", "dataset.global_batch_size"),
    )
    soft_mask_weight: float = setting(
        "Loss weight of lower-case bases (Evo 2: 0.1), a multiple of 0.01",
        default=0.1,
        nemo="data.soft_mask_weight",
        bridge="dataset.soft_mask_weight",
        unless="head.kind",
    )
    markup_weight: float = setting(
        "Loss weight of OpenGenome2's tags (`|d__…|`) and joins (`@`, `#`), a multiple of 0.01: "
        "docs/samples.md#loss-weights",
        default=0.0,
        nemo="data.markup_weight",
        bridge="dataset.markup_weight",
        unless="head.kind",
    )
    reverse_complement: bool = setting(
        "Read each sample as its reverse complement with probability one half",
        default=False,
        nemo="data.reverse_complement",
        bridge="dataset.reverse_complement",
        unless="head.kind",
    )
    num_workers: int = setting(
        "Data-loading processes per device",
        unit="processes",
        default=0,
        nemo="data.num_workers",
        bridge="dataset.num_workers",
    )


@dataclass
class RopeConfig:
    """Longer contexts than the one in `config.json`; see docs/context.md."""

    theta: float | None = setting("Base of the RoPE frequencies; null: the value in config.json", default=None)
    factor: float | None = setting(
        "Llama 3.1 scaling factor: dataset.sequence_length / the context in config.json, or half to twice that; "
        "null: the scaling in config.json",
        default=None,
    )


@dataclass
class OptimizerConfig:
    """AdamW and the learning-rate schedule."""

    lr: float = setting("Peak learning rate", nemo="optim.config.lr", bridge="optimizer.lr")
    min_lr: float = setting(
        "Learning rate at the end of the decay",
        nemo="optim.lr_scheduler.min_lr",
        bridge=("optimizer.min_lr", "schedule.min_lr"),
    )
    warmup_steps: int = setting(
        "Length of the linear warm-up from zero to the peak",
        unit="steps",
        nemo="optim.lr_scheduler.warmup_steps",
        bridge=("scheduler.lr_warmup_iters", "schedule.warmup_steps"),
    )
    schedule_steps: int = setting(
        "Length of the schedule from warm-up to end of decay; independent of trainer.max_steps",
        unit="steps",
        nemo="optim.lr_scheduler.schedule_steps",
        bridge=("scheduler.lr_decay_iters", "schedule.schedule_steps"),
    )
    schedule: str = setting(
        "Schedule after the warm-up: `cosine` or `wsd` (warm-up, stable, decay)",
        default="cosine",
        nemo="optim.lr_scheduler.schedule",
        bridge="schedule.schedule",
    )
    decay_steps: int = setting(
        "Length of the decay of `wsd`, at the end of schedule_steps",
        unit="steps",
        default=0,
        nemo="optim.lr_scheduler.decay_steps",
        bridge="schedule.decay_steps",
    )
    decay: str = setting(
        "Shape of the decay of `wsd`: `minus_sqrt` (1 - sqrt(x)) or `linear`",
        default="minus_sqrt",
        nemo="optim.lr_scheduler.decay",
        bridge="schedule.decay",
    )
    beta1: float = setting(
        "Adam's decay rate of the first moment",
        default=0.9,
        nemo="optim.config.adam_beta1",
        bridge="optimizer.adam_beta1",
    )
    beta2: float = setting(
        "Adam's decay rate of the second moment",
        default=0.95,
        nemo="optim.config.adam_beta2",
        bridge="optimizer.adam_beta2",
    )
    eps: float = setting(
        "Adam's epsilon, added to the denominator of a step",
        default=1e-8,
        nemo="optim.config.adam_eps",
        bridge="optimizer.adam_eps",
    )
    weight_decay: float = setting(
        "Decoupled weight decay; not on norms, biases and the input embedding",
        default=0.1,
        nemo="optim.config.weight_decay",
        bridge=("optimizer.weight_decay", "scheduler.start_weight_decay", "scheduler.end_weight_decay"),
    )
    clip_grad: float = setting(
        "Largest global L2 norm of the gradients; 0: no clipping",
        default=1.0,
        nemo="optim.config.clip_grad",
        bridge="optimizer.clip_grad",
    )
    z_loss: float = setting(
        "Weight of log(Z)^2 in the loss (PaLM: 1e-4); 0: off",
        default=0.0,
        nemo="trainer.callbacks[ZLoss].weight",
        gate="trainer.callbacks[ZLoss]",
        off=0.0,
    )
    embedding_init_std: float = setting(
        "Standard deviation of the initial embeddings (1: Takase et al. 2024, Spike No More)",
        default=1.0,
        nemo="model.config.embedding_init_method_std",
        bridge="model.embedding_init_method_std",
    )


@dataclass
class PrecisionConfig:
    """Number formats."""

    compute: str = setting(
        "Number format of matrix products that are not FP8: `bf16-mixed` or `32`",
        nemo="trainer.plugins.precision",
        live="trainer.precision",
        codec="precision",
    )
    grad_reduce_in_fp32: bool = setting(
        "Accumulate and reduce gradients in fp32; false: in bf16",
        default=True,
        nemo=("trainer.plugins.grad_reduce_in_fp32", "trainer.strategy.ddp.grad_reduce_in_fp32"),
        bridge="ddp.grad_reduce_in_fp32",
        live="trainer.plugins.grad_reduce_in_fp32",
    )
    moments: str = setting(
        "Format of Adam's moments: `float32`, or `bfloat16` with parallelism.precision_aware_optimizer",
        default="float32",
        nemo=("optim.config.exp_avg_dtype", "optim.config.exp_avg_sq_dtype"),
        bridge=("optimizer.exp_avg_dtype", "optimizer.exp_avg_sq_dtype"),
        codec="dtype",
        needs="parallelism.precision_aware_optimizer",
    )
    fp8: str = setting(
        "Scaling of the FP8 matrix products: `none`, `delayed`, `tensorwise`, `blockwise` or `mxfp8`",
        default="none",
        nemo="trainer.plugins.fp8_recipe",
        gate="trainer.plugins.fp8",
        off="none",
    )
    fp8_format: str = setting(
        "`hybrid` (E4M3 forward, E5M2 backward) or `e4m3`",
        default="hybrid",
        nemo="trainer.plugins.fp8",
        needs="precision.fp8",
    )
    fp8_amax_history: int = setting(
        "Length of the amax history of `delayed`",
        unit="steps",
        default=1,
        nemo="trainer.plugins.fp8_amax_history_len",
        needs="precision.fp8",
    )
    fp8_bf16_layers: int = setting(
        "Layers that stay in bf16 at each end of the model",
        unit="layers",
        default=0,
        nemo=("trainer.plugins.num_layers_at_start_in_bf16", "trainer.plugins.num_layers_at_end_in_bf16"),
        needs="precision.fp8",
    )
    fp8_parameters: bool = setting(
        "Store and gather weights in FP8",
        default=False,
        nemo="trainer.plugins.fp8_param_gather",
        needs="precision.fp8",
    )


@dataclass
class ParallelismConfig:
    """How the model is split over devices. The devices left over are data-parallel."""

    gpus: int | None = setting("Number of GPUs that a named layout is for; null: any", unit="GPUs", default=None)
    tensor: int = setting(
        "Tensor-parallel size",
        unit="GPUs",
        default=1,
        nemo="trainer.strategy.tensor_model_parallel_size",
        bridge="model.tensor_model_parallel_size",
    )
    pipeline: int = setting(
        "Pipeline-parallel size",
        unit="GPUs",
        default=1,
        nemo="trainer.strategy.pipeline_model_parallel_size",
        bridge="model.pipeline_model_parallel_size",
    )
    context: int = setting(
        "Context-parallel size",
        unit="GPUs",
        default=1,
        nemo="trainer.strategy.context_parallel_size",
        bridge="model.context_parallel_size",
    )
    sequence_parallel: bool = setting(
        "Split norms and dropout over the tensor-parallel ranks too",
        default=False,
        nemo="trainer.strategy.sequence_parallel",
        bridge="model.sequence_parallel",
    )
    distributed_optimizer: bool = setting(
        "Shard the optimizer's state over the data-parallel ranks (ZeRO-1)",
        default=True,
        nemo=("optim.config.use_distributed_optimizer", "trainer.strategy.ddp.use_distributed_optimizer"),
        bridge=("optimizer.use_distributed_optimizer", "ddp.use_distributed_optimizer"),
    )
    precision_aware_optimizer: bool = setting(
        "Use Transformer Engine's Adam, which stores fp32 master weights as bf16 plus a remainder",
        default=False,
        nemo="optim.config.use_precision_aware_optimizer",
        bridge="optimizer.use_precision_aware_optimizer",
    )
    overlap: bool = setting(
        "Overlap gradient reduction and parameter gathering with computation",
        default=True,
        nemo="trainer.strategy.ddp.overlap_grad_reduce",
        bridge="ddp.overlap_grad_reduce",
        live="trainer.strategy.ddp_config.overlap_grad_reduce",
    )
    cuda_graphs: str = setting(
        "CUDA graphs of Megatron-Core, with engine=bridge: `none`, `local`, `transformer_engine` or `full_iteration`",
        default="none",
        bridge="model.cuda_graph_impl",
    )
    recompute_layers: int = setting(
        "Layers per pipeline stage whose activations are recomputed",
        unit="layers",
        default=0,
        nemo="model.config.recompute_num_layers",
        bridge="model.recompute_num_layers",
        gate="model.config.recompute_num_layers",
        off=0,
    )


@dataclass
class HardwareConfig:
    """The machine."""

    accelerator: str = setting("`gpu`, or `cpu` for tests and first steps", nemo="trainer.accelerator", live="-")
    devices: int = setting(
        "GPUs per node; on a CPU, processes", unit="devices", nemo="trainer.devices", live="trainer.num_devices"
    )
    num_nodes: int = setting("Number of nodes", unit="nodes", default=1, nemo="trainer.num_nodes")
    gpu: str = setting("Name of the GPU", default="none")
    compute_capability: float = setting("CUDA compute capability; decides which FP8 formats are available", default=0.0)
    memory_gib: float = setting("Memory of one GPU", unit="GiB", default=0.0)
    bf16_tflops: float = setting("Dense bf16 peak of one GPU", unit="TFLOP/s", default=0.0)
    fp8_tflops: float = setting("Dense FP8 peak of one GPU", unit="TFLOP/s", default=0.0)


@dataclass
class TrainerConfig:
    """Length of the run, and how often it validates, saves and logs."""

    max_steps: int = setting(
        "Optimizer steps of the run", unit="steps", nemo="trainer.max_steps", bridge="train.train_iters"
    )
    validate_every: int = setting(
        "Steps between two validations; the last step is validated too",
        unit="steps",
        nemo="trainer.val_check_interval",
        bridge="validation.eval_interval",
    )
    validation_batches: int = setting(
        "Global batches per validation",
        unit="batches",
        nemo="trainer.limit_val_batches",
        bridge=("validation.eval_iters", "dataset.validation_batches"),
        live="-",
    )
    evaluate_every: int = setting(
        "Steps between two evaluations of the live weights; 0: none. See docs/training.md",
        unit="steps",
        default=0,
        nemo="trainer.callbacks[LiveEvaluation].every",
        gate="trainer.callbacks[LiveEvaluation]",
        off=0,
        unless="head.kind",
    )
    evaluate_seconds: float = setting(
        "Time limit of one evaluation; tasks beyond it are left out, and named in the log",
        unit="seconds",
        default=60.0,
        nemo="trainer.callbacks[LiveEvaluation].seconds",
        needs="trainer.evaluate_every",
    )
    evaluate_suite: str | None = setting(
        "YAML file of tasks (kinds recall and variants) for these evaluations; null: recall",
        default=None,
        nemo="trainer.callbacks[LiveEvaluation].suite",
        needs="trainer.evaluate_every",
    )
    checkpoint_every: int = setting(
        "Steps between two checkpoints",
        unit="steps",
        nemo="log.ckpt.every_n_train_steps",
        bridge="checkpoint.save_interval",
        live="trainer.checkpoint_callback._every_n_train_steps",
    )
    keep_checkpoints: int = setting(
        "Number of newest checkpoints to keep; -1: all",
        unit="checkpoints",
        default=2,
        nemo="log.ckpt.save_top_k",
        bridge="checkpoint.most_recent_k",
    )
    log_every: int = setting(
        "Steps between two lines of the log",
        unit="steps",
        default=1,
        nemo="trainer.log_every_n_steps",
        bridge="logger.log_interval",
    )
    async_checkpoints: bool = setting(
        "Write checkpoints while training continues",
        default=True,
        nemo="trainer.strategy.ckpt_async_save",
        bridge="checkpoint.async_save",
        live="trainer.strategy.async_save",
    )


@dataclass
class LoggingConfig:
    """Where metrics go, besides `metrics.jsonl` and the console. By default nothing leaves the machine."""

    tensorboard: bool = setting("Write RUN/tensorboard", default=True)
    wandb: str | None = setting("Weights & Biases project; null: off", default=None)
    wandb_offline: bool = setting("Write RUN/wandb for a later `wandb sync`; false: upload at once", default=True)
    mlflow: str | None = setting("MLflow experiment; null: off", default=None)
    mlflow_uri: str | None = setting("MLflow tracking server; null: files in RUN/mlruns", default=None)


@dataclass
class GuardsConfig:
    """Protection from bad steps and hangs; see docs/recovery.md."""

    non_finite: str = setting(
        "What to do on a NaN or infinite loss or gradient: `skip` the step or `stop`",
        default="skip",
        nemo="trainer.callbacks[StepGuard].non_finite",
        bridge="guard.non_finite",
    )
    spike: str = setting(
        "What to do on a loss spike: `report`, `skip` or `stop`",
        default="report",
        nemo="trainer.callbacks[StepGuard].spike",
        bridge="guard.spike",
    )
    spike_deviations: float = setting(
        "A loss is a spike if it is this far above the median of recent losses",
        unit="standard deviations",
        default=10.0,
        nemo="trainer.callbacks[StepGuard].spike_deviations",
        bridge="guard.spike_deviations",
    )
    spike_window: int = setting(
        "Number of recent steps that a loss is compared with",
        unit="steps",
        default=128,
        nemo="trainer.callbacks[StepGuard].spike_window",
        bridge="guard.spike_window",
    )
    most_skipped: int = setting(
        "Steps that may be skipped within spike_window before the run stops",
        unit="steps",
        default=3,
        nemo="trainer.callbacks[StepGuard].most_skipped",
        bridge="guard.most_skipped",
    )
    skip_steps: list[str] = setting(
        "Steps whose batches are skipped: 1500 or 1200-1300",
        factory=list,
        nemo="trainer.callbacks[StepGuard].skip_steps",
    )
    hang_seconds: float = setting(
        "Seconds of silence after which a rank counts as hung; 0: never",
        unit="seconds",
        default=900.0,
        nemo="trainer.callbacks[HangWatch].hang_seconds",
        gate="trainer.callbacks[HangWatch]",
        off=0.0,
    )
    hang_factor: float = setting(
        "A rank is also hung if a step takes this multiple of the median step time; at least a minute",
        default=30.0,
        nemo="trainer.callbacks[HangWatch].hang_factor",
        needs="guards.hang_seconds",
    )


@dataclass
class LoraConfig:
    """Low-rank adapters (Hu et al. 2021) on the linear layers of each block. All other weights are frozen."""

    dim: int = setting(
        "Rank of the adapters; 0: no adapters, all weights are trained",
        default=0,
        nemo="peft.dim",
        bridge="peft.dim",
        gate="peft",
        off=0,
    )
    alpha: int = setting(
        "The adapter's output is scaled by alpha / rank",
        default=32,
        nemo="peft.alpha",
        bridge="peft.alpha",
        needs="lora.dim",
    )
    dropout: float = setting(
        "Dropout on the adapter's input", default=0.0, nemo="peft.dropout", bridge="peft.dropout", needs="lora.dim"
    )
    target_modules: list[str] = setting(
        "Layers with adapters: linear_qkv (query, key, value), linear_proj, linear_fc1 (gate, up), linear_fc2 (down)",
        factory=lambda: list(MODULES),
        nemo="peft.target_modules",
        bridge="peft.target_modules",
        needs="lora.dim",
    )
    rank_pattern: list[str] = setting(
        "Ranks that differ from dim: [linear_qkv:16, linear_fc2:4]",
        factory=list,
        nemo="peft.rank_pattern",
        bridge="peft.rank_pattern",
        needs="lora.dim",
    )

    @property
    def ranks(self) -> dict[str, int]:
        """Rank of the adapters of each layer that has adapters. Errors: `InputError` for an unknown layer."""
        return adapter_ranks(self.dim, self.target_modules, self.rank_pattern)


@dataclass
class HeadConfig:
    """A prediction head in place of the output layer; see docs/finetuning.md."""

    kind: str = setting(
        "`none`; `classify`: one class per sequence; `multilabel`: yes or no per label; `regress`: numbers; "
        "`tokens`: one class per base; `track`: one number per base",
        default="none",
        nemo=("data.kind", "model.config.head_kind"),
        gate="data.kind",
        off="none",
    )
    train: str | None = setting(
        "Labelled sequences: a .csv, .tsv, .parquet or FASTA file, or a directory with train, dev and test",
        default=None,
        nemo="data.train",
        needs="head.kind",
    )
    validation: str | None = setting(
        "Validation sequences; null: those of head.split_column, or a share of train",
        default=None,
        nemo="data.validation",
        needs="head.kind",
    )
    test: str | None = setting(
        "Test sequences; checked for overlap, never trained on",
        default=None,
        nemo="data.test",
        needs="head.kind",
    )
    sequence: str = setting("Column with the sequences", default="sequence", nemo="data.sequence", needs="head.kind")
    labels: list[str] = setting(
        "Columns with the labels: one, or several for `multilabel` and `regress`",
        factory=lambda: ["label"],
        nemo="data.labels",
        needs="head.kind",
    )
    split_column: str | None = setting(
        "Column with train, validation or test", default=None, nemo="data.split_column", needs="head.kind"
    )
    genome: str | None = setting(
        "FASTA file of the regions, if head.train is a BED file", default=None, nemo="data.genome", needs="head.kind"
    )
    bigwig: str | None = setting(
        "bigWig file whose values in the regions are the labels of `track`; head.labels is their name",
        default=None,
        nemo="data.bigwig",
        needs="head.kind",
    )
    bigwig_fill: float | None = setting(
        "Value of bases that the bigWig leaves out, such as 0 for coverage; null: they have no label",
        default=None,
        nemo="data.bigwig_fill",
        needs="head.kind",
    )
    validation_fraction: float = setting(
        "Share of train held out for validation, by a hash of the sequence; without head.validation and split_column",
        default=0.1,
        nemo="data.validation_fraction",
        needs="head.kind",
    )
    truncate: str = setting(
        "Sequences longer than dataset.sequence_length: `refuse` them, or cut off the `left` or `right` end",
        default="refuse",
        nemo="data.truncate",
        needs="head.kind",
    )
    pooling: str = setting(
        "What the head reads: the representation of the `last` base, or the `mean` over all", default="last"
    )
    both_strands: bool = setting(
        "Train on a random strand; average both strands at validation and prediction",
        default=False,
        nemo=("data.both_strands", "model.config.head_both_strands"),
        needs="head.kind",
    )
    freeze_body: bool = setting(
        "Train the head alone", default=False, nemo="model.config.head_freeze_body", needs="head.kind"
    )
    class_weights: str = setting(
        "Loss weights of classes: `none`, or `balanced` (inverse class frequency)",
        default="none",
    )
    label_smoothing: float = setting(
        "Share of the target that is spread evenly over all classes",
        default=0.0,
        nemo="model.config.head_label_smoothing",
        needs="head.kind",
    )
    lr_multiplier: float = setting(
        "Learning rate of the head, as a multiple of optimizer.lr", default=1.0, nemo="optim.lr_mult", needs="head.kind"
    )
    stop_metric: str = setting(
        "Validation metric for early stopping: `loss`, `accuracy`, `f1`, `mcc`, `auroc`, `auprc`, `spearman` or "
        "`pearson`; `none`: no early stopping",
        default="none",
        nemo="trainer.callbacks[EarlyStop].metric",
        gate="trainer.callbacks[EarlyStop]",
        off="none",
        needs="head.kind",
    )
    patience: int = setting(
        "Validations without improvement before the run stops",
        unit="validations",
        default=5,
        nemo="trainer.callbacks[EarlyStop].patience",
        needs="head.stop_metric",
    )

    @property
    def files(self) -> dict[str, str]:
        """Files that the head reads, by the name of the setting."""
        names = ("train", "validation", "test", "genome", "bigwig")
        return {f"head.{name}": path for name in names if (path := getattr(self, name)) is not None}


@dataclass
class TrainConfig:
    """One training run."""

    name: str = setting("Name of the model; the default run directory contains it", default="genomic")
    model_tag: str = setting("Directory with a Llama config.json: a path, or a name in configs/")
    run_dir: str = setting(
        "Directory for everything that the run writes",
        nemo=("trainer.callbacks[RunLog].run_dir", "trainer.callbacks[StepGuard].run_dir"),
    )
    seed: int = setting(
        "Seed of initial weights, dropout and sample order",
        default=1234,
        nemo="data.seed",
        bridge=("rng.seed", "dataset.seed"),
    )
    init_from: str | None = setting(
        "Checkpoint or run, in any format, with the initial weights of a new run",
        default=None,
        nemo="resume.restore_config.path",
        live="-",
        gate="resume.restore_config",
    )
    engine: str = setting(
        "`nemo`, or `bridge` (Megatron-Bridge; experimental, docs/engines.md)",
        default="nemo",
    )
    finetune: bool = setting("Run NeMo's llm.finetune instead of llm.pretrain; needs init_from", default=False)
    lora: LoraConfig = field(default_factory=LoraConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    rope: RopeConfig = field(default_factory=RopeConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: PrecisionConfig = field(default_factory=PrecisionConfig)
    parallelism: ParallelismConfig = field(default_factory=ParallelismConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    guards: GuardsConfig = field(default_factory=GuardsConfig)
