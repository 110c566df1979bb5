"""A head in a directory of PEFT: its tensors are beside the adapter's, and `task_head.json` says what they predict.

PEFT keeps a head whole, as `modules_to_save`, and knows neither its labels nor how it is pooled.
"""

import json
from dataclasses import asdict
from pathlib import Path

from configs.heads import KEY, Head, check_head
from foundation.errors import InputError
from foundation.typed import from_settings
from foundation.untrusted import read_json, unique_keys

NAME = f"{KEY}.json"
MODULE = "score"
"""The head in transformers' classes for sequences and for tokens."""
MODULES = ("classifier", MODULE)
"""What PEFT writes as `modules_to_save` for those classes."""
TASK_TYPES = ("SEQ_CLS", "TOKEN_CLS")
"""Of a class without a bias, and of one with it."""

_LIMIT = 1 << 24


def task_type(head: Head) -> str:
    """PEFT's name of the class that `head` is part of."""
    return TASK_TYPES[head.bias]


def example(task_type: str | None, labels: int) -> str:
    """What to write into `task_head.json` for a head of transformers' class that PEFT trained alone."""
    names = [f"NAME{number}" for number in range(min(labels, _NAMED))] + ["..."] * (labels > _NAMED)
    kind, pooling = ("classify", "last") if task_type == TASK_TYPES[0] else ("tokens", "none")
    return json.dumps({"kind": kind, "labels": names, "pooling": pooling})


_NAMED = 4


def write_head(directory: Path, head: Head) -> None:
    """Say beside an adapter what its head predicts."""
    (directory / NAME).write_text(json.dumps(asdict(head), indent=2) + "\n", encoding="utf-8")


def read_head(directory: Path) -> Head | None:
    """The head of the adapter in `directory`; None where it has none. Errors: `InputError`."""
    path = directory / NAME
    if not path.exists():
        return None
    values = read_json(path, limit=_LIMIT, pairs_hook=unique_keys)
    if not isinstance(values, dict):
        raise InputError("is not an object of keys and values", where=path, fix=_FIX, kind="not-a-mapping")
    head = from_settings(Head, values, str(path), fix=_FIX)
    check_head(head, path)
    return head


_FIX = "Write it again: `genomic-llama convert RUN ADAPTER --to peft`."
