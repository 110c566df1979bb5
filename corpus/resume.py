"""What a checkpoint keeps of the data, and the check that a resumed run reads the same samples on."""

from collections.abc import Mapping
from typing import Any

from conduct.errors import InputError


def consumed_state(consumed_samples: int, order_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values only. `order_settings`: whatever decides which sample comes at which index."""
    return {"consumed_samples": consumed_samples, **order_settings}


def special_ids(tokenizer: Any) -> dict[str, int]:
    """What a tokenizer for bytes can differ in: the size of the vocabulary, and what EOS, PAD and so on are."""
    names = ("vocab_size", "eos_id", "pad_id", "bos_id", "sep_id", "unk_id")
    return {name: int(getattr(tokenizer, name)) for name in names if hasattr(tokenizer, name)}


def check_same_order(state: Mapping[str, Any], order_settings: Mapping[str, Any], corpus: object) -> None:
    """That `state` was saved under the same settings; a key that it lacks is not compared.

    Errors: `InputError` that names the first setting that differs, with both values.
    """
    for key, now in order_settings.items():
        before = state.get(key, now)
        if before != now:
            raise InputError(
                f"{key} is {now}, but the checkpoint was trained with {before}: its samples would be others",
                where=corpus,
                fix="Restore it, or start a new run from the checkpoint's weights.",
            )
