"""The tokenizer directory: what transformers makes of it, and what the check refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from configs.locate import CONFIGS
from tokenizer.huggingface import validate_tokenizer, write_tokenizer
from tokenizer.sequence import encode


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path, model_max_length=8192)
    return tmp_path


def edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def bionemo_tokenizer(directory: Path) -> None:
    """The facts of `nucleotide_fast_tokenizer_256`: UNK at 3, byte 4 at 4, a template that adds nothing."""

    def change(content: dict[str, Any]) -> None:
        tokens = ["<EOS>", "<PAD>", "<BOS>", "<UNK>", *map(chr, range(4, 256))]
        content["model"]["vocab"] = {token: id for id, token in enumerate(tokens)}
        eos, pad, bos, sep, _ = content["added_tokens"]
        content["added_tokens"] = [eos, pad, bos, {**sep, "content": "<UNK>"}]
        content["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {},
        }
        content["decoder"] = None

    edit(directory, change)


def load(directory: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def test_transformers_gives_the_same_ids(directory: Path) -> None:
    tokenizer = load(directory)
    text = "".join(map(chr, range(5, 256)))
    assert tokenizer(text).input_ids == encode(text).tolist()
    assert len(tokenizer) == tokenizer.vocab_size == 256
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.bos_token_id) == (0, 1, None)
    assert tokenizer.model_max_length == 8192


def test_transformers_prints_a_sequence_without_spaces(directory: Path) -> None:
    tokenizer = load(directory)
    assert tokenizer.decode(tokenizer("ACGTNacgt").input_ids) == "ACGTNacgt"
    assert tokenizer.decode([65, 67, 0, 1], skip_special_tokens=True) == "AC"


def test_equal_to_bionemo_on_bytes_4_to_255(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    theirs = tmp_path_factory.mktemp("bionemo")
    write_tokenizer(theirs, model_max_length=8192)
    bionemo_tokenizer(theirs)
    validate_tokenizer(theirs)
    text = "".join(map(chr, range(4, 256)))
    assert load(directory)(text).input_ids == load(theirs)(text).input_ids == list(range(4, 256))


def test_the_shipped_directory_is_what_is_written(directory: Path) -> None:
    shipped = CONFIGS / "example_checkpoint"
    validate_tokenizer(shipped)
    for name in ("tokenizer.json", "special_tokens_map.json"):
        assert (shipped / name).read_text() == (directory / name).read_text()


def swap(content: dict[str, Any]) -> None:
    content["model"]["vocab"] |= {"A": 67, "C": 65}


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "257 tokens": (lambda content: content["model"]["vocab"].update(X2=256), "tokenizer-size", "id 256 is 'X2'"),
    "255 tokens": (lambda content: content["model"]["vocab"].pop("A"), "tokenizer-size", "id 65 is None, expected 'A'"),
    "another order": (swap, "tokenizer-vocabulary", "id 65 is 'C', expected 'A'; id 67 is 'A', expected 'C'"),
    "BPE": (lambda content: content["model"].update(type="BPE"), "tokenizer-model", ""),
    "a normalizer": (lambda content: content.update(normalizer={"type": "Lowercase"}), "tokenizer-normalizer", ""),
    "words": (lambda content: content.update(pre_tokenizer={"type": "Whitespace"}), "tokenizer-splitting", ""),
    "EOS appended": (
        lambda content: content.update(post_processor={"single": [{"SpecialToken": {"id": "<EOS>"}}]}),
        "tokenizer-post-processor",
        "post_processor",
    ),
    "no model": (lambda content: content.pop("model"), "not-a-tokenizer", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(directory: Path, case: str) -> None:
    change, kind, fix = BAD[case]
    edit(directory, change)
    with refused(kind, where=directory / "tokenizer.json", fix=fix):
        validate_tokenizer(directory)


def test_a_directory_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with refused("no-tokenizer", where=tmp_path):
        validate_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with refused("not-json", where="tokenizer.json"):
        validate_tokenizer(tmp_path)
