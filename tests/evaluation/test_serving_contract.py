"""What a server reads of an export: a plain Llama, a byte a base, nothing added to a prompt, EOS 0, no template."""

import json
from pathlib import Path
from typing import Any

import pytest

from configs.llama import hf_config, read_architecture
from configs.locate import CONFIGS
from tokenizer.huggingface import write_tokenizer

SIZES = ("tiny", "100m", "8b")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    directory = tmp_path_factory.mktemp("export")
    write_tokenizer(directory, model_max_length=8192)
    return AutoTokenizer.from_pretrained(directory)


@pytest.mark.parametrize("size", SIZES)
def test_the_configuration_needs_no_code_and_names_the_special_ids(size: str) -> None:
    shipped = json.loads((CONFIGS / f"llama3_{size}_genomic_config" / "config.json").read_text("utf-8"))
    config = json.loads(json.dumps(hf_config(read_architecture(f"llama3_{size}_genomic_config"))))
    assert {key: config[key] for key in shipped if key in config} == {
        key: shipped[key] for key in shipped if key in config
    }
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert not {"auto_map", "quantization_config", "custom_pipelines"} & config.keys()
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (None, 0, 1)
    assert config["vocab_size"] == 256
    assert config["head_dim"] * config["num_attention_heads"] == config["hidden_size"]
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 500_000.0  # transformers 4, and 5
    assert config["torch_dtype"] == config["dtype"] == "bfloat16"
    assert config["rope_scaling"] is None


def test_a_prompt_is_its_bytes_and_nothing_is_added(tokenizer: Any) -> None:
    text = "ACGTNacgtnRYK"
    assert tokenizer(text)["input_ids"] == list(text.encode())
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer("")["input_ids"] == []


def test_there_is_no_bos_and_no_template_and_eos_is_nought(tokenizer: Any) -> None:
    assert tokenizer.bos_token is None
    assert tokenizer.chat_template is None
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1)
    assert len(tokenizer) == 256
    assert tokenizer.model_max_length == 8192
    assert tokenizer.decode([65, 67, 0], skip_special_tokens=True) == "AC"


def test_the_guide_names_the_ids_that_a_server_must_be_told() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    assert f"[0, {', '.join(str(ord(base)) for base in 'ACGT')}]" in guide
