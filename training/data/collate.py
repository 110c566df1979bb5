"""A micro-batch of samples, as narrow as they are stored; `training.forward` widens it on the device."""

from collections.abc import Sequence

import numpy as np
import torch

from corpus.samples.example import Example, join_segments


def collate(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """A micro-batch, narrow: uint8 `tokens`, `labels` and `loss_mask`, [batch, seq_length]; `source`, `index`, [batch].

    Packed samples also have `cu_seqlens`, int32, over the samples of the batch laid end to end, and `max_seqlen`.
    """
    batch = {
        "tokens": torch.from_numpy(np.stack([example["tokens"] for example in examples])),
        "labels": torch.from_numpy(np.stack([example["labels"] for example in examples])),
        "loss_mask": torch.from_numpy(np.stack([example["loss_mask"] for example in examples])),
        "source": torch.tensor([example["source"] for example in examples]),
        "index": torch.tensor([example["index"] for example in examples]),
    }
    if "cu_seqlens" in examples[0]:
        segments = join_segments([example["cu_seqlens"] for example in examples])
        batch["cu_seqlens"] = torch.from_numpy(segments)
        batch["max_seqlen"] = torch.tensor(int(np.diff(segments).max()))
    return batch
