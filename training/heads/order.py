"""What a checkpoint of a head records of its data, and compares when the run resumes."""

from typing import Any

import numpy as np
from xxhash import xxh3_128

from configs.schema import HeadConfig, TrainConfig
from evaluation.labelled.splits import Splits
from training.data.order import LABELLED, LABELLED_FROM
from training.heads.resolve import splits_of


def head_order(config: TrainConfig, sequence_length: int) -> dict[str, Any]:
    """`head_order_settings` of a run that is about to start. Errors: `InputError`, as `read_splits`."""
    return head_order_settings(
        config.head,
        splits_of(config.head, sequence_length),
        global_batch_size=config.dataset.global_batch_size,
        seq_length=sequence_length,
        seed=config.seed,
    )


def head_order_settings(
    head: HeadConfig, splits: Splits, *, global_batch_size: int, seq_length: int, seed: int
) -> dict[str, Any]:
    """Whatever decides which labelled sequence comes at which index, as plain values."""
    digest = xxh3_128()
    for example in splits.train:
        digest.update(example.ids.tobytes() + b"\0" + np.asarray(example.target).tobytes())
    return {
        LABELLED: digest.hexdigest(),
        LABELLED_FROM: {"path": str(head.train), "sequences": len(splits.train)},
        "head.both_strands": head.both_strands,
        "global_batch_size": global_batch_size,
        "seq_length": seq_length,
        "seed": seed,
    }
