"""`config.json`: the shipped ones, both spellings, the mapping to Megatron-Core and back, and what is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from configs.llama import (
    MAPPED,
    LlamaArchitecture,
    from_megatron_fields,
    hf_config,
    megatron_fields,
    parse_architecture,
    read_architecture,
)
from configs.locate import CONFIGS
from configs.rope import RopeScaling

SHIPPED = sorted(path.parent.name for path in CONFIGS.glob("*/config.json"))
PARAMETERS = {
    "llama3_tiny_genomic_config": 3_082_496,
    "llama3_100m_genomic_config": 97_143_552,
    "llama3_300m_genomic_config": 302_564_352,
    "llama3_1b_genomic_config": 974_194_688,
    "llama3_3b_genomic_config": 2_820_320_256,
    "llama3_8b_genomic_config": 6_981_685_248,
}


def values(**changes: Any) -> dict[str, Any]:
    path = CONFIGS / "llama3_8b_genomic_config" / "config.json"
    return {**json.loads(path.read_text()), **changes}


def test_the_8b_has_the_values_of_the_seed() -> None:
    expected = {
        "num_hidden_layers": 32,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "max_position_embeddings": 8192,
        "rope_theta": 500000,
        "rope_scaling": None,
        "vocab_size": 256,
        "bos_token_id": None,
        "eos_token_id": 0,
        "torch_dtype": "bfloat16",
        "tie_word_embeddings": False,
    }
    assert expected.items() <= values().items()


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name: str) -> None:
    assert read_architecture(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_by_name_by_relative_path_and_by_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_architecture(name) == read_architecture(f"./{name}") == read_architecture(CONFIGS / name)


def test_a_directory_of_ones_own_comes_before_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "llama3_8b_genomic_config"
    own.mkdir()
    (own / "config.json").write_text(json.dumps(values(num_hidden_layers=2)))
    assert read_architecture("./llama3_8b_genomic_config").num_hidden_layers == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_the_mapping_to_megatron_is_reversible(name: str) -> None:
    architecture = read_architecture(name)
    fields = megatron_fields(architecture)
    assert from_megatron_fields(fields, dtype=architecture.dtype, where="test") == architecture
    assert fields["vocab_size"] == 256
    assert all(
        256 % (fields["make_vocab_size_divisible_by"] * tensor_parallel) == 0 for tensor_parallel in (1, 2, 4, 8)
    )


def test_every_field_of_an_architecture_has_a_row() -> None:
    by_hand = ["rope_scaling", "bos_token_id", "head"]
    assert [row.hf for row in MAPPED] + by_hand == [field.name for field in dataclasses.fields(LlamaArchitecture)]


@pytest.mark.parametrize("name", SHIPPED)
def test_transformers_reads_what_is_exported(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    architecture = read_architecture(name)
    (tmp_path / "config.json").write_text(json.dumps(hf_config(architecture)))
    config = AutoConfig.from_pretrained(tmp_path)
    for row in MAPPED:
        if row.hf != "dtype":
            assert getattr(config, row.hf) == getattr(architecture, row.hf), row.hf
    assert str(config.dtype) == f"torch.{architecture.dtype}"
    assert (config.rope_scaling, config.vocab_size, config.eos_token_id, config.bos_token_id) == (None, 256, 0, None)


def test_transformers_5_spelling() -> None:
    new = values(dtype="bfloat16", rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})
    for key in ("torch_dtype", "rope_theta", "rope_scaling"):
        del new[key]
    assert parse_architecture(new, where="test") == parse_architecture(values(), where="test")


def test_bionemo_keys_are_read_and_their_code_is_not_run() -> None:
    theirs = values(architectures=["NVLlamaForCausalLM"], auto_map={"AutoConfig": "nowhere.Nothing"})
    assert parse_architecture(theirs, where="test") == parse_architecture(values(), where="test")


SCALING = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def test_rope_scaling_goes_through_both_spellings_and_megatron(tmp_path: Path) -> None:
    from transformers import AutoConfig

    scaling = {"rope_type": "llama3", **SCALING}
    architecture = parse_architecture(values(rope_scaling=scaling), where="test")
    assert architecture.rope_scaling == RopeScaling(**SCALING)
    new = values(rope_parameters={"rope_theta": 500000.0, **scaling})
    del new["rope_scaling"]
    assert parse_architecture(new, where="test") == architecture
    (tmp_path / "config.json").write_text(json.dumps(hf_config(architecture)))
    assert read_architecture(tmp_path) == architecture
    assert AutoConfig.from_pretrained(tmp_path).rope_scaling == scaling
    fields = megatron_fields(architecture)
    assert (fields["scale_factor"], fields["old_context_len"]) == (8.0, 8192)
    assert from_megatron_fields(fields, dtype="bfloat16", where="test") == architecture


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown key": ({"num_hiden_layers": 32}, "config-unknown-key", "num_hiden_layers"),
    "rope scaling": ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope-unsupported", "rope_scaling"),
    "another rope scaling": (
        {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
        "rope-unsupported",
        "rope_scaling",
    ),
    "rope scaling, new spelling": (
        {"rope_parameters": {"rope_theta": 5e5, "rope_type": "yarn"}},
        "rope-unsupported",
        "rope_parameters",
    ),
    "two scalings": (
        {"rope_scaling": None, "rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", **SCALING}},
        "rope-contradiction",
        "rope_parameters",
    ),
    "a scaling of no size": (
        {"rope_scaling": {"rope_type": "llama3", **SCALING, "factor": 0}},
        "config-value",
        "factor",
    ),
    "two values of theta": (
        {"rope_parameters": {"rope_theta": 1e4}},
        "rope-contradiction",
        "10000",
    ),
    "text vocabulary": ({"vocab_size": 128256}, "config-value", "128256"),
    "biases": ({"attention_bias": True}, "config-value", "attention_bias"),
    "another EOS": ({"eos_token_id": 2}, "config-value", "eos_token_id"),
    "BOS of text": ({"bos_token_id": 128000}, "config-value", "bos_token_id"),
    "another model": ({"model_type": "mistral"}, "config-value", "model_type"),
    "text for a number": ({"hidden_size": "4096"}, "config-value", "hidden_size"),
    "a negative number": ({"num_hidden_layers": -1}, "config-value", "num_hidden_layers"),
    "not a number": ({"rope_theta": float("nan")}, "config-value", "rope_theta"),
    "true for a number": ({"hidden_size": True}, "config-value", "hidden_size"),
    "heads without a group": ({"num_key_value_heads": 5}, "config-value", "num_attention_heads"),
    "odd head": ({"head_dim": 127}, "config-value", "head_dim"),
    "text for the size without heads' own": ({"hidden_size": "4096", "head_dim": None}, "config-value", "hidden_size"),
    "two dtypes": ({"dtype": "float32"}, "config-contradiction", "torch_dtype"),
    "code beside a plain Llama": ({"auto_map": {"AutoModel": "nowhere.Nothing"}}, "config-code", "auto_map"),
    "missing key": ({"hidden_size": None}, "config-missing-key", "hidden_size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    changes, kind, named = REFUSED[case]
    (tmp_path / "config.json").write_text(json.dumps(values(**changes)))
    with refused(kind, where=tmp_path / "config.json", names=named):
        read_architecture(tmp_path)


def test_another_nemo_model_is_refused() -> None:
    fields = megatron_fields(read_architecture("llama3_8b_genomic_config"))
    with refused("config-value", names="qk_layernorm"):
        from_megatron_fields({**fields, "qk_layernorm": True}, dtype="bfloat16", where="test")


def test_no_such_directory(tmp_path: Path) -> None:
    with refused("no-such-directory", fix="'llama3_8b_genomic_config'"):
        read_architecture("./llama3_8b_genomic_confg")
    with refused("directory-without-config", where=tmp_path):
        read_architecture(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with refused("config-not-an-object", where="config.json"):
        read_architecture(tmp_path)
