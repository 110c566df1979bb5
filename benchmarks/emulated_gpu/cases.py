"""Which steps are traced at full size: `benchmarks.emulated_gpu.trace`."""

CASES = (
    ("train_8b_opengenome2", 8),
    ("train_8b_opengenome2", 64),
    ("train_8b_opengenome2", 512, "parallelism=gpus_512"),
    ("train_3b", 8),
    ("train_11b", 64),
    ("train_18b", 64),
    ("train_28b", 64),
    ("train_35b", 64),
    ("train_8b_opengenome2", 8, "context=32k"),
    ("train_8b_opengenome2", 8, "context=64k"),
    ("train_8b_opengenome2", 8, "context=128k"),
    (
        *("train_8b_opengenome2", 8, "context=128k", "parallelism.tensor=1", "parallelism.sequence_parallel=false"),
        *("parallelism.context=8", "parallelism.recompute_layers=24"),
    ),
    ("train_1b", 8, "context=32k", "parallelism.context=2"),
)
"""Configuration, GPUs, overrides. Only bf16: Transformer Engine 2.9 cannot slice FP8 weights that are fake tensors."""
