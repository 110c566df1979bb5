"""The settings of a training run: the one table of them, a row each (`configs.settings`). Values are in the YAML files.

A setting without a default has to be in a configuration. docs/configuration.md is written from these rows.
"""

from dataclasses import dataclass, field
from typing import Any

from configs.lora import MODULES, adapter_ranks
from configs.settings import setting


@dataclass
class DatasetConfig:
    """What is read, and how many samples at a time."""

    corpus: Any = setting(
        "Directory written by `prepare`, `synthetic`, or a blend: [{corpus: DIRECTORY, weight: 0.7}, ...]; with a head "
        "head.train is read instead",
        nemo="data.corpus",
        bridge="dataset.corpus",
        unless="head.kind",
    )
    mode: str = setting(
        "`concat`: documents end to end; `window`: each sample within one document; `packed`: several documents, with "
        "attention reset at each",
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
    tokenizer_path: str = setting(
        "Directory of a Hugging Face tokenizer, which must be the 256-token nucleotide vocabulary"
    )
    sequence_length: int | None = setting(
        "Length of a sample; null: the context of the architecture",
        unit="tokens",
        default=None,
        nemo="data.seq_length",
        bridge=("dataset.seq_length", "model.seq_length"),
    )
    micro_batch_size: int = setting(
        "Samples of one forward pass on one device",
        unit="samples",
        nemo="data.micro_batch_size",
        bridge="train.micro_batch_size",
    )
    global_batch_size: int = setting(
        "Samples of one optimizer step on all devices",
        unit="samples",
        nemo="data.global_batch_size",
        bridge=("train.global_batch_size", "dataset.global_batch_size"),
    )
    soft_mask_weight: float = setting(
        "Loss weight of lower-case bases (Evo 2: 0.1), to two decimals",
        default=0.1,
        nemo="data.soft_mask_weight",
        bridge="dataset.soft_mask_weight",
        unless="head.kind",
    )
    markup_weight: float = setting(
        "Loss weight of OpenGenome2's tags and joins, to two decimals",
        default=0.0,
        nemo="data.markup_weight",
        bridge="dataset.markup_weight",
        unless="head.kind",
    )
    reverse_complement: bool = setting(
        "Read a random half of the samples as their reverse complement",
        default=False,
        nemo="data.reverse_complement",
        bridge="dataset.reverse_complement",
        unless="head.kind",
    )
    num_workers: int = setting(
        "Data-loading processes of each device",
        unit="processes",
        default=0,
        nemo="data.num_workers",
        bridge="dataset.num_workers",
    )


@dataclass
class RopeConfig:
    """Positions, where samples are longer than the context in `config.json`; docs/context.md."""

    theta: float | None = setting("Base of RoPE's frequencies; null: that of config.json", default=None)
    factor: float | None = setting(
        "Factor of Llama 3.1's scaling: dataset.sequence_length / context of config.json, or half to twice that; "
        "null: the scaling of config.json",
        default=None,
    )


@dataclass
class OptimizerConfig:
    """AdamW, and its learning rate over the steps."""

    lr: float = setting("Peak learning rate", nemo="optim.config.lr", bridge="optimizer.lr")
    min_lr: float = setting(
        "Learning rate at the end of the decay",
        nemo="optim.lr_scheduler.min_lr",
        bridge=("optimizer.min_lr", "schedule.min_lr"),
    )
    warmup_steps: int = setting(
        "Linear warm-up from zero to the peak",
        unit="steps",
        nemo="optim.lr_scheduler.warmup_steps",
        bridge=("scheduler.lr_warmup_iters", "schedule.warmup_steps"),
    )
    schedule_steps: int = setting(
        "Length of the schedule, warm-up to decay; stays as it is when a run is cut short or extended",
        unit="steps",
        nemo="optim.lr_scheduler.schedule_steps",
        bridge=("scheduler.lr_decay_iters", "schedule.schedule_steps"),
    )
    schedule: str = setting(
        "After the warm-up: `cosine`, or `wsd` (warm-up, stable, decay)",
        default="cosine",
        nemo="optim.lr_scheduler.schedule",
        bridge="schedule.schedule",
    )
    decay_steps: int = setting(
        "Length of the decay of `wsd`, the last of schedule_steps",
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
        "Decay of the first moment", default=0.9, nemo="optim.config.adam_beta1", bridge="optimizer.adam_beta1"
    )
    beta2: float = setting(
        "Decay of the second moment", default=0.95, nemo="optim.config.adam_beta2", bridge="optimizer.adam_beta2"
    )
    eps: float = setting(
        "Added to the denominator of a step", default=1e-8, nemo="optim.config.adam_eps", bridge="optimizer.adam_eps"
    )
    weight_decay: float = setting(
        "Decoupled weight decay; none on norms, biases and embeddings",
        default=0.1,
        nemo="optim.config.weight_decay",
        bridge=("optimizer.weight_decay", "scheduler.start_weight_decay", "scheduler.end_weight_decay"),
    )
    clip_grad: float = setting(
        "Largest L2 norm of all gradients together; 0: not clipped",
        default=1.0,
        nemo="optim.config.clip_grad",
        bridge="optimizer.clip_grad",
    )
    z_loss: float = setting(
        "Weight of log(Z)^2 in the loss (PaLM: 1e-4); 0: none, at no cost",
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
        "Format of matrix products where FP8 is not: `bf16-mixed` or `32`",
        nemo="trainer.plugins.precision",
        live="trainer.precision",
        codec="precision",
    )
    grad_reduce_in_fp32: bool = setting(
        "Accumulate gradients, and sum them over the devices, in fp32 rather than bf16",
        default=True,
        nemo=("trainer.plugins.grad_reduce_in_fp32", "trainer.strategy.ddp.grad_reduce_in_fp32"),
        bridge="ddp.grad_reduce_in_fp32",
        live="trainer.plugins.grad_reduce_in_fp32",
    )
    moments: str = setting(
        "Format of Adam's moments: `float32`, or `bfloat16` with parallelism.precision_aware_optimizer",
        default="float32",
        nemo=("optim.config.exp_avg_dtype", "optim.config.exp_avg_sq_dtype"),
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
        "Steps whose largest values set the scale of delayed scaling",
        unit="steps",
        default=1,
        nemo="trainer.plugins.fp8_amax_history_len",
        needs="precision.fp8",
    )
    fp8_bf16_layers: int = setting(
        "Layers at the start, and as many at the end, that stay in bf16",
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
    """How one model is laid over the devices; what is left over is data parallel."""

    gpus: int | None = setting("GPUs that a named layout is meant for; null: any number", unit="GPUs", default=None)
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
        "Transformer Engine's Adam, with fp32 master weights kept as bf16 and their remainders",
        default=False,
        nemo="optim.config.use_precision_aware_optimizer",
    )
    overlap: bool = setting(
        "Reduce gradients and gather parameters behind the computation",
        default=True,
        nemo="trainer.strategy.ddp.overlap_grad_reduce",
        bridge="ddp.overlap_grad_reduce",
        live="trainer.strategy.ddp_config.overlap_grad_reduce",
    )
    recompute_layers: int = setting(
        "Layers of each pipeline stage whose activations are computed again, not kept",
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
        "GPUs, or processes on a CPU, of one node", unit="devices", nemo="trainer.devices", live="trainer.num_devices"
    )
    num_nodes: int = setting("Nodes", unit="nodes", default=1, nemo="trainer.num_nodes")
    gpu: str = setting("Name of the GPU", default="none")
    compute_capability: float = setting("CUDA's; decides which FP8 formats there are", default=0.0)
    memory_gib: float = setting("Memory of one GPU", unit="GiB", default=0.0)
    bf16_tflops: float = setting("Dense bf16 peak of one GPU", unit="TFLOP/s", default=0.0)
    fp8_tflops: float = setting("Dense FP8 peak of one GPU", unit="TFLOP/s", default=0.0)


@dataclass
class TrainerConfig:
    """How long, and how often to look."""

    max_steps: int = setting(
        "Optimizer steps of the run", unit="steps", nemo="trainer.max_steps", bridge="train.train_iters"
    )
    validate_every: int = setting(
        "Steps between two validations",
        unit="steps",
        nemo="trainer.val_check_interval",
        bridge="validation.eval_interval",
    )
    validation_batches: int = setting(
        "Global batches of one validation",
        unit="batches",
        nemo="trainer.limit_val_batches",
        bridge=("validation.eval_iters", "dataset.validation_batches"),
        live="-",
    )
    evaluate_every: int = setting(
        "Steps between two evaluations of the live weights; 0: none; docs/training.md",
        unit="steps",
        default=0,
        nemo="trainer.callbacks[LiveEvaluation].every",
        gate="trainer.callbacks[LiveEvaluation]",
        off=0,
        unless="head.kind",
    )
    evaluate_seconds: float = setting(
        "Time of one evaluation; tasks that it does not allow are left out, and named in the log",
        unit="seconds",
        default=60.0,
        nemo="trainer.callbacks[LiveEvaluation].seconds",
        needs="trainer.evaluate_every",
    )
    evaluate_suite: str | None = setting(
        "YAML file of tasks for it, of the kinds recall and variants; null: recall",
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
        "The newest checkpoints that are kept; -1: all",
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
    """Where metrics go beside `metrics.jsonl` and the console. Nothing leaves the machine unless told to."""

    tensorboard: bool = setting("Write RUN/tensorboard", default=True)
    wandb: str | None = setting("Project in Weights & Biases; null: none", default=None)
    wandb_offline: bool = setting("Write RUN/wandb, to be sent by `wandb sync`; false: send at once", default=True)
    mlflow: str | None = setting("Experiment in MLflow; null: none", default=None)
    mlflow_uri: str | None = setting("MLflow's tracking server; null: files in RUN/mlruns", default=None)


@dataclass
class GuardsConfig:
    """What stops a run before it spoils its weights, or waits for ever; docs/recovery.md."""

    non_finite: str = setting(
        "On a loss or gradient that is NaN or infinite: `skip` its step, or `stop`",
        default="skip",
        nemo="trainer.callbacks[StepGuard].non_finite",
        bridge="guard.non_finite",
    )
    spike: str = setting(
        "On a loss far above the recent ones: `report`, `skip` or `stop`",
        default="report",
        nemo="trainer.callbacks[StepGuard].spike",
        bridge="guard.spike",
    )
    spike_deviations: float = setting(
        "How far above the median of the recent losses a spike is",
        unit="standard deviations",
        default=10.0,
        nemo="trainer.callbacks[StepGuard].spike_deviations",
        bridge="guard.spike_deviations",
    )
    spike_window: int = setting(
        "Steps that count as recent",
        unit="steps",
        default=128,
        nemo="trainer.callbacks[StepGuard].spike_window",
        bridge="guard.spike_window",
    )
    most_skipped: int = setting(
        "Recent steps that may be skipped; the run stops above it",
        unit="steps",
        default=3,
        nemo="trainer.callbacks[StepGuard].most_skipped",
        bridge="guard.most_skipped",
    )
    skip_steps: list[str] = setting(
        "Steps whose samples are left out: 1500 or 1200-1300",
        factory=list,
        nemo="trainer.callbacks[StepGuard].skip_steps",
    )
    hang_seconds: float = setting(
        "Time without a sign of life of a rank after which it is ended; 0: never",
        unit="seconds",
        default=900.0,
        nemo="trainer.callbacks[HangWatch].hang_seconds",
        gate="trainer.callbacks[HangWatch]",
        off=0.0,
    )
    hang_factor: float = setting(
        "The same in a step, as a multiple of the median step; at least a minute",
        default=30.0,
        nemo="trainer.callbacks[HangWatch].hang_factor",
        needs="guards.hang_seconds",
    )


@dataclass
class LoraConfig:
    """Low-rank adapters (Hu et al. 2021) on the linear layers of each block; all else is frozen."""

    dim: int = setting(
        "Rank of the adapters; 0: no adapters, every weight is trained", default=0, nemo="peft.dim", gate="peft", off=0
    )
    alpha: int = setting(
        "What an adapter adds is scaled by alpha / rank", default=32, nemo="peft.alpha", needs="lora.dim"
    )
    dropout: float = setting("Dropout of what an adapter reads", default=0.0, nemo="peft.dropout", needs="lora.dim")
    target_modules: list[str] = setting(
        "Layers with adapters: linear_qkv (query, key, value), linear_proj, linear_fc1 (gate, up), linear_fc2 (down)",
        factory=lambda: list(MODULES),
        nemo="peft.target_modules",
        needs="lora.dim",
    )
    rank_pattern: list[str] = setting(
        "Layers with another rank than dim: [linear_qkv:16, linear_fc2:4]",
        factory=list,
        nemo="peft.rank_pattern",
        needs="lora.dim",
    )

    @property
    def ranks(self) -> dict[str, int]:
        """The rank of the adapters of each layer that has some. Errors: `InputError` for a layer that is not known."""
        return adapter_ranks(self.dim, self.target_modules, self.rank_pattern)


@dataclass
class HeadConfig:
    """A head for labels of one's own, in place of the output layer; docs/finetuning.md."""

    kind: str = setting(
        "`none`; `classify`: one class per sequence; `multilabel`: a yes or no per label; `regress`: numbers; "
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
        "File of the validation sequences; null: by head.split_column, or drawn from train",
        default=None,
        nemo="data.validation",
        needs="head.kind",
    )
    test: str | None = setting(
        "File of the test sequences, which are checked and left alone",
        default=None,
        nemo="data.test",
        needs="head.kind",
    )
    sequence: str = setting("Column of the sequences", default="sequence", nemo="data.sequence", needs="head.kind")
    labels: list[str] = setting(
        "Columns of the labels: one, or several of `multilabel` and `regress`",
        factory=lambda: ["label"],
        nemo="data.labels",
        needs="head.kind",
    )
    split_column: str | None = setting(
        "Column that says train, validation or test", default=None, nemo="data.split_column", needs="head.kind"
    )
    genome: str | None = setting(
        "FASTA file of the regions, where head.train is a BED file", default=None, nemo="data.genome", needs="head.kind"
    )
    bigwig: str | None = setting(
        "bigWig file whose values in the regions are the labels of `track`; head.labels names them",
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
        "Share of train that is drawn for validation, by a hash of the sequence, where nothing else says which",
        default=0.1,
        nemo="data.validation_fraction",
        needs="head.kind",
    )
    truncate: str = setting(
        "Sequences longer than dataset.sequence_length: `refuse`, or cut off their `left` or `right` end",
        default="refuse",
        nemo="data.truncate",
        needs="head.kind",
    )
    pooling: str = setting(
        "Representation that the head reads: of the `last` base, or the `mean` of all", default="last"
    )
    both_strands: bool = setting(
        "Train on either strand at random; average both at validation and prediction",
        default=False,
        nemo=("data.both_strands", "model.config.head_both_strands"),
        needs="head.kind",
    )
    freeze_body: bool = setting(
        "Train the head alone", default=False, nemo="model.config.head_freeze_body", needs="head.kind"
    )
    class_weights: str = setting(
        "Loss weights of classes: `none`, or `balanced`, inverse to how often each comes",
        default="none",
    )
    label_smoothing: float = setting(
        "Share of the target that is spread over all classes",
        default=0.0,
        nemo="model.config.head_label_smoothing",
        needs="head.kind",
    )
    lr_multiplier: float = setting(
        "Learning rate of the head, as a multiple of optimizer.lr", default=1.0, nemo="optim.lr_mult", needs="head.kind"
    )
    stop_metric: str = setting(
        "Stop early by `loss`, `accuracy`, `f1`, `mcc`, `auroc`, `auprc`, `spearman` or `pearson` of validation, or "
        "`none`",
        default="none",
        nemo="trainer.callbacks[EarlyStop].metric",
        gate="trainer.callbacks[EarlyStop]",
        off="none",
        needs="head.kind",
    )
    patience: int = setting(
        "Validations without a better value after which the run stops",
        unit="validations",
        default=5,
        nemo="trainer.callbacks[EarlyStop].patience",
        needs="head.stop_metric",
    )

    @property
    def files(self) -> dict[str, str]:
        """What it reads, by the name of the setting."""
        names = ("train", "validation", "test", "genome", "bigwig")
        return {f"head.{name}": path for name in names if (path := getattr(self, name)) is not None}


@dataclass
class TrainConfig:
    """One training run."""

    name: str = setting("Name of the model, of which the run directory is made", default="genomic")
    model_tag: str = setting("Directory with a Llama config.json: a path, or the name of one in configs/")
    run_dir: str = setting(
        "Directory of everything that the run writes",
        nemo=("trainer.callbacks[RunLog].run_dir", "trainer.callbacks[StepGuard].run_dir"),
    )
    seed: int = setting(
        "Of initial weights, dropout and the order of samples",
        default=1234,
        nemo="data.seed",
        bridge=("rng.seed", "dataset.seed"),
    )
    init_from: str | None = setting(
        "Checkpoint of any format, or run, whose weights a new run starts from",
        default=None,
        nemo="resume.restore_config.path",
        live="-",
        gate="resume.restore_config",
    )
    engine: str = setting(
        "`nemo`, or `bridge`: Megatron-Bridge in an environment of its own, experimental; docs/engines.md",
        default="nemo",
    )
    finetune: bool = setting("Run NeMo's llm.finetune in place of llm.pretrain; needs init_from", default=False)
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
