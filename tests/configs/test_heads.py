"""A head in config.json, and in NeMo's configuration: what is written is read back, and contradictions are refused."""

import dataclasses

import pytest
from refusal import refused

from configs.heads import Head, head_from_megatron, megatron_fields_of
from configs.llama import hf_config, parse_architecture, read_architecture

BODY = dataclasses.replace(read_architecture("llama3_tiny_genomic_config"), dtype="float32")
HEADS = (
    Head(kind="classify", labels=("no", "yes"), both_strands=True, scale=(1.5, 1.5), shift=(0.0, 0.0)),
    Head(kind="multilabel", labels=("a", "b", "c"), pooling="mean"),
    Head(kind="regress", labels=("x",), mean=(2.0,), std=(0.5,)),
    Head(kind="tokens", labels=("i", "e"), pooling="none"),
)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)
def test_a_head_is_read_back(head: Head) -> None:
    architecture = dataclasses.replace(BODY, head=head)
    config = hf_config(architecture)
    assert parse_architecture(config, where="here") == architecture
    assert config["architectures"] == [
        "LlamaForSequenceClassification" if head.pooling == "last" else "LlamaForTokenClassification"
    ]
    plain = dataclasses.replace(head, scale=(), shift=())
    assert head_from_megatron(megatron_fields_of(head), "here") == plain


def test_the_parameters_are_counted_with_the_head() -> None:
    without = BODY.parameters - 256 * BODY.hidden_size
    assert dataclasses.replace(BODY, head=HEADS[0]).parameters == without + 2 * BODY.hidden_size
    assert dataclasses.replace(BODY, head=HEADS[1]).parameters == without + 3 * BODY.hidden_size + 3


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("id2label", {"0": "yes", "1": "no"}, "config-contradiction"),
        ("problem_type", "regression", "config-contradiction"),
        ("task_head", None, "unknown-task-head"),
        ("task_head", {"kind": "classify", "labels": ["a", "a"]}, "task-head"),
        ("task_head", {"kind": "cluster", "labels": ["a", "b"]}, "task-head"),
        ("task_head", {"kind": "tokens", "labels": ["a", "b"], "pooling": "last"}, "task-head"),
        ("task_head", {"kind": "classify", "labels": ["a", "b"], "scale": [1.0]}, "task-head"),
        ("task_head", {"kind": "classify", "names": []}, "unknown-key"),
    ],
)
def test_a_head_that_cannot_be_is_refused(key: str, value: object, kind: str) -> None:
    config = {**hf_config(dataclasses.replace(BODY, head=HEADS[0])), key: value}
    with refused(kind):
        parse_architecture(config, where="config.json")
