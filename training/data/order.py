"""What a checkpoint keeps of the data, and the check that a resumed run reads the same samples on."""

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.samples.datasets import split_digest
from foundation.errors import InputError, shown
from tokenizer.vocabulary import SPECIAL_TOKENS, VOCAB_SIZE
from training.data.sources import Source

NUCLEOTIDE_IDS = {"vocab_size": VOCAB_SIZE, **{f"{token.role}_id": token.id for token in SPECIAL_TOKENS}}
"""What `special_ids` gives for our tokenizer, without NeMo."""

_DIGESTS = "train_digest"
LABELLED, LABELLED_FROM = "head.train", "head.train_from"
"""The digest of labelled sequences for training; and their file and number, for people, which is not compared."""


def order_settings(
    sources: Sequence[Source],
    *,
    mode: str,
    stride: int | None,
    seq_length: int,
    seed: int,
    tokenizer: Mapping[str, int] | None,
    multiple: int = 1,
) -> dict[str, Any]:
    """Whatever decides which sample comes at which index, as plain values; `tokenizer`: its `special_ids`.

    `multiple`: of tokens, that packed documents are padded to; no part of other modes.
    """
    return {
        _DIGESTS: [split_digest(source.corpus, "train").decode() for source in sources],
        "weights": [source.weight for source in sources],
        "mode": mode,
        "stride": stride,
        "seq_length": seq_length,
        **({"document_multiple": multiple} if mode == "packed" else {}),
        "seed": seed,
        **({"tokenizer": dict(tokenizer)} if tokenizer else {}),
    }


def document_multiple(ranks: int) -> int:
    """What packed documents are padded to a multiple of: each of so many context-parallel ranks has two equal parts."""
    return 2 * ranks if ranks > 1 else 1


def consumed_state(consumed_samples: int, order_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values only."""
    return {"consumed_samples": consumed_samples, **order_settings}


def special_ids(tokenizer: Any) -> dict[str, int]:
    """What a tokenizer for bytes can differ in: the size of the vocabulary, and what EOS, PAD and so on are."""
    return {name: int(getattr(tokenizer, name)) for name in NUCLEOTIDE_IDS if hasattr(tokenizer, name)}


def check_same(
    before: Mapping[str, Any], now: Mapping[str, Any], *, where: object, sources: Sequence[Source] = ()
) -> None:
    """That a checkpoint was trained with the settings that there are now; what it does not name is not compared.

    Errors: `InputError` that names each setting that differs, with both values; of the `sources` that there are now,
    those whose sequence is another.
    """
    different = [key for key, value in now.items() if key != LABELLED_FROM and before.get(key, value) != value]
    if different:
        words = {
            _DIGESTS: lambda: _other_corpus(before[_DIGESTS], now[_DIGESTS], sources),
            LABELLED: lambda: _other_labelled(before.get(LABELLED_FROM), now.get(LABELLED_FROM)),
        }
        each = "; ".join(
            words[key]()
            if key in words
            else f"{key} is {shown(now[key])}, but the checkpoint was trained with {shown(before[key])}"
            for key in different
        )
        fix = "Restore it, or start a new run from the checkpoint's weights (init_from, and another run_dir)."
        raise InputError(each, where=where, fix=fix, kind="another-run")


def _other_labelled(before: Any, now: Any) -> str:
    """The same of labelled sequences, by their file and their number; an older checkpoint does not say those."""
    there, here = (
        f"{one['sequences']:,} sequences of {one['path']}" if isinstance(one, dict) else "others"
        for one in (before, now)
    )
    same = isinstance(before, dict) and isinstance(now, dict) and before["sequences"] == now["sequences"]
    changed = ", with other bases, labels or order" if same else ""
    also = "head.validation, head.validation_fraction, head.split_column and head.truncate also decide which they are"
    return f"{LABELLED} differs: the run has {here}, but the checkpoint was trained with {there}{changed} ({also})"


def _other_corpus(before: Any, now: Sequence[str], sources: Sequence[Source]) -> str:
    """Digests say nothing to a reader: the directories do, and how many there were."""
    count = len(before) if isinstance(before, list) else 1
    if count != len(now):
        return f"dataset.corpus names {len(now)} corpora, but the checkpoint was trained with {count}"
    changed = [str(source.corpus) for source, old, new in zip(sources, before, now, strict=False) if old != new]
    which = f"the train split of {', '.join(changed)}" if changed else "its train split"
    return f"dataset.corpus differs: {which} is not what the checkpoint was trained with"
