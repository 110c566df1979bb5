"""The vocabulary as a Hugging Face tokenizer directory: written, and checked if it comes from elsewhere.

`tokenizer.json` has a `Fuse` decoder (a null one prints "A C G T") and no post-processor (one that appends EOS makes
every server prompt after the end of the document).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.errors import InputError, shown
from foundation.untrusted import read_json, unique_keys
from tokenizer.vocabulary import EOS, PAD, SEP, SPECIAL_TOKENS, TOKENS, UNK, VOCAB_SIZE

_NAMED = {"eos_token": EOS.content, "pad_token": PAD.content, "sep_token": SEP.content, "unk_token": UNK.content}


def write_tokenizer(directory: Path, *, model_max_length: int, bos_token: str | None = None) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json` for `AutoTokenizer`.

    `model_max_length` is the context length in tokens. A `bos_token` is named, and still not put before sequences.
    """
    named = _NAMED if bos_token is None else {"bos_token": bos_token, **_NAMED}
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": model_max_length,
        "bos_token": bos_token,
        "clean_up_tokenization_spaces": False,
        "padding_side": "right",
        "model_input_names": ["input_ids", "attention_mask"],  # Llama knows no token_type_ids
        **_NAMED,
    }
    files = {"tokenizer.json": _tokenizer_json(), "tokenizer_config.json": configuration}
    for name, content in (files | {"special_tokens_map.json": named}).items():
        (directory / name).write_text(json.dumps(content, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")


def validate_tokenizer(directory: Path) -> None:
    """Check that the tokenizer in `directory` gives every sequence the ids of this project's vocabulary.

    Nothing in the directory is run. Errors: `InputError` that shows the rows that differ.
    """
    path = Path(directory) / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            "no tokenizer.json here",
            where=directory,
            fix="Give the directory of a nucleotide tokenizer, for example configs/example_checkpoint.",
            kind="no-tokenizer",
        )
    content = read_json(path, pairs_hook=unique_keys)
    try:
        pairs = [(id, token) for token, id in content["model"]["vocab"].items()]
        pairs += [(token["id"], token["content"]) for token in content.get("added_tokens", [])]
        if not all(type(id) is int and type(token) is str for id, token in pairs):
            raise TypeError("an id is not a number, or a token is not text")
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"is not the tokenizer.json of a word-level tokenizer ({error!r})",
            where=path,
            fix=_EXPECTED,
            kind="not-a-tokenizer",
        ) from error
    rows = dict(pairs)
    if len(rows) != VOCAB_SIZE:
        problem = f"has {len(rows)} tokens, {VOCAB_SIZE} were expected"
        raise InputError(problem, where=path, fix=_rows(rows) or _EXPECTED, kind="tokenizer-size")
    if differences := _rows(rows):
        raise InputError("another vocabulary", where=path, fix=differences, kind="tokenizer-vocabulary")
    _check_pipeline(content, path)


_EXPECTED = "Write a valid one with `genomic-llama tokenizer DIRECTORY`."


def _check_pipeline(content: Mapping[str, Any], path: Path) -> None:
    """The steps around the vocabulary: one character a token, nothing added, nothing normalised."""
    if content["model"].get("type") != "WordLevel":
        raise InputError(
            f"model type is {shown(content['model'].get('type'))}, not 'WordLevel'",
            where=path,
            fix=_EXPECTED,
            kind="tokenizer-model",
        )
    if content.get("normalizer") is not None:
        raise InputError(
            "has a normalizer, which would change the sequence", where=path, fix=_EXPECTED, kind="tokenizer-normalizer"
        )
    split = content.get("pre_tokenizer")
    wanted = {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated"}
    if not isinstance(split, dict) or {key: split.get(key) for key in wanted} != wanted:
        raise InputError("does not split into single characters", where=path, fix=_EXPECTED, kind="tokenizer-splitting")
    after = content.get("post_processor") or {}
    template = after.get("single", []) if isinstance(after, dict) else [after]
    if not isinstance(template, list) or not all(isinstance(piece, dict) and "Sequence" in piece for piece in template):
        raise InputError(
            "its post_processor adds special tokens to every sequence",
            where=path,
            fix="Set post_processor to null: prompts would otherwise continue after the end of a document.",
            kind="tokenizer-post-processor",
        )


def _rows(rows: Mapping[int, str], most: int = 5) -> str:
    """The ids whose token is not ours, in words; empty where all agree."""
    allowed = {token.id: (token.content, *token.interchangeable) for token in SPECIAL_TOKENS}
    wrong = [
        f"id {id} is {shown(rows.get(id))}, expected {token!r}"
        for id, token in enumerate(TOKENS)
        if rows.get(id) not in allowed.get(id, (token,))
    ]
    wrong += [f"id {shown(id)} is {shown(rows[id])}, expected none" for id in sorted(rows) if not 0 <= id < VOCAB_SIZE]
    more = f" and {len(wrong) - most} more" if len(wrong) > most else ""
    return "; ".join(wrong[:most]) + more + "." if wrong else ""


def _tokenizer_json() -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": token.id, "content": token.content, **flags} for token in SPECIAL_TOKENS],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"String": ""}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {token: id for id, token in enumerate(TOKENS)},
            "unk_token": UNK.content,
        },
    }
