"""Adapters against the real PEFT: what it trains is read, merged and used; what is written here it loads."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import SMALL, edit_json, hf_tensors, write_torch_dist
from refusal import refused
from safetensors.torch import load_file, save_file

from configs.heads import Head
from conversion.adapters.peft_head import task_type, write_head
from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.inspection import summarise
from evaluation.digest import identify, model_digest
from evaluation.likelihood.model import check_language_model, load_model
from evaluation.prediction.predicting import check_predictor, head_logits
from evaluation.prediction.records import Record
from tokenizer.sequence import encode

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TOKENS = torch.tensor(list(b"ACGT"))[torch.randint(4, (2, 48), generator=torch.Generator().manual_seed(2))]
CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
Q0 = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"

ADAPTERS: dict[str, dict[str, Any]] = {
    "queries and values": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "all, rank-stabilised, with patterns": {
        "r": 4, "lora_alpha": 8, "target_modules": "all-linear", "use_rslora": True, "lora_dropout": 0.1,
        "rank_pattern": {"q_proj": 8, "^model.layers.1.mlp.up_proj": 2}, "alpha_pattern": {"0.self_attn.k_proj": 3},
    },
    "magnitudes": {"r": 4, "lora_alpha": 8, "target_modules": ["o_proj", "down_proj"], "use_dora": True},
    "one layer": {"r": 2, "target_modules": ["gate_proj"], "layers_to_transform": [1]},
    "an expression": {"r": 2, "target_modules": r".*\.(q|v)_proj"},
}  # fmt: skip


def peft_logits(base: Path, adapter: Path) -> torch.Tensor:
    """What PEFT computes of an adapter beside the base."""
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), adapter).eval()
    with torch.no_grad():
        return model(TOKENS).logits  # type: ignore[no-any-return]


def own_logits(model: Path, **options: Any) -> torch.Tensor:
    with torch.no_grad():
        return load_model(model, device="cpu", **options)(TOKENS).logits  # type: ignore[no-any-return]


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """To 1e-5, in fp32."""
    return float((found - wanted).abs().max()) <= 1e-5


def save_adapter(base: Path, out: Path, **settings: Any) -> Path:
    """An adapter of random numbers, as PEFT saves it after training."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    torch.manual_seed(1)
    model = get_peft_model(LlamaForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", **settings))
    for name, parameter in model.named_parameters():
        if "magnitude" in name:
            parameter.data *= 1.3
        elif "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def small_hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose logits are of the order of 1, so that 1e-5 means what it says."""
    return save_model(tmp_path_factory.mktemp("small") / "hf")


@pytest.fixture(scope="module")
def small_nemo(small_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    convert(small_hf, path := tmp_path_factory.mktemp("small") / "nemo", to="nemo")
    return path


def save_model(out: Path, **changes: Any) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(11)
    LlamaForCausalLM(LlamaConfig(**{**SMALL, "initializer_range": 0.15, **changes})).save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def saved(small_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(small_hf, tmp_path_factory.mktemp("peft") / "adapter", **ADAPTERS["queries and values"])


@pytest.fixture
def adapter(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "adapter"))


@pytest.mark.parametrize("settings", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_of_peft_is_merged_as_peft_computes_it(
    settings: dict[str, Any], small_hf: Path, small_nemo: Path, tmp_path: Path
) -> None:
    adapter = save_adapter(small_hf, tmp_path / "adapter", **settings)
    wanted, without = peft_logits(small_hf, adapter), own_logits(small_hf)
    assert not close(without, wanted)
    assert close(own_logits(small_hf, adapter=adapter), wanted)
    convert(adapter, tmp_path / "hf", to="hf", base=small_nemo)
    assert close(own_logits(tmp_path / "hf"), wanted)


def test_an_adapter_becomes_a_nemo_checkpoint_that_a_run_can_start_from(
    saved: Path, small_hf: Path, tmp_path: Path
) -> None:
    assert convert(saved, tmp_path / "nemo", to="nemo", base=small_hf).adapter_base == str(small_hf)
    convert(tmp_path / "nemo", tmp_path / "hf", to="hf")
    assert close(own_logits(tmp_path / "hf"), peft_logits(small_hf, saved))


def test_a_merge_is_rounded_once(saved: Path, small_hf: Path, tmp_path: Path) -> None:
    """A base in bfloat16: used in fp32 nothing is rounded, converted it is rounded to the base's format."""
    convert(small_hf, tmp_path / "base", to="hf", dtype="bfloat16")
    convert(tmp_path / "base", tmp_path / "wide", to="hf", dtype="float32")
    exact = own_logits(tmp_path / "wide", adapter=saved)
    assert torch.equal(own_logits(tmp_path / "base", adapter=saved), exact)
    convert(saved, tmp_path / "merged", to="hf", base=tmp_path / "base", dtype="float32")
    assert torch.equal(own_logits(tmp_path / "merged"), exact)
    convert(saved, tmp_path / "rounded", to="hf", base=tmp_path / "base")
    wide, rounded = hf_tensors(tmp_path / "merged"), hf_tensors(tmp_path / "rounded")
    assert wide.keys() == rounded.keys()
    assert all(torch.equal(tensor.bfloat16(), rounded[name]) for name, tensor in wide.items())


def nemo_adapters(directory: Path, base: Path, *, ranks: dict[str, int], canonical: bool = False) -> Path:
    """A NeMo checkpoint of adapters beside all linear layers of `base`, made without the code under test."""
    torch.manual_seed(5)
    tensors: dict[str, torch.Tensor] = {}
    parts = {"linear_qkv": ("q", "k", "v"), "linear_fc1": ("gate", "up")} if canonical else {}
    for weight in open_checkpoint(base).weights:
        module = weight.megatron.split(".")[-2]
        if module not in ("linear_qkv", "linear_proj", "linear_fc1", "linear_fc2") or "norm" in weight.megatron:
            continue
        rank, columns = ranks.get(module, 2), weight.fused_shape[1]
        shapes = list(weight.hf.values())
        for number, part in enumerate(parts.get(module, ("",))):
            rows = shapes[number][0] if part else weight.fused_shape[0]
            name = f"module.{weight.megatron.removesuffix('.weight')}.adapter." + (f"adapter_{part}." if part else "")
            tensors[f"{name}linear_in.weight"] = torch.randn(rank, columns) / 4
            tensors[f"{name}linear_out.weight"] = torch.randn(rows, rank) / 4
    write_torch_dist(directory, tensors)
    (directory / "weights" / "adapter_metadata.json").write_text(json.dumps({"model_ckpt_path": str(base)}))
    shutil.copytree(base / "context", directory / "context")
    classes = {True: "canonical_lora.CanonicalLoRA", False: "lora.LoRA"}
    transform = {
        "_target_": f"nemo.collections.llm.peft.{classes[canonical]}", "dim": 2, "alpha": 8, "dropout": 0.25,
        "rank_pattern": [f"{name}:{rank}" for name, rank in ranks.items()],
    }  # fmt: skip
    model = directory / "context" / "model.yaml"
    model.write_text(model.read_text() + f"model_transform: {json.dumps(transform)}\n")
    return directory


@pytest.mark.parametrize("ranks", [{}, {"linear_qkv": 4}], ids=["one rank", "a rank of its own"])
def test_adapters_of_nemo_are_written_for_peft(
    ranks: dict[str, int], small_hf: Path, small_nemo: Path, tmp_path: Path
) -> None:
    """The same logits three ways: PEFT beside the base, our merge, and the merge of what was written."""
    adapters = nemo_adapters(tmp_path / "adapters", small_nemo, ranks=ranks)
    convert(adapters, tmp_path / "peft", to="peft", base=small_hf)
    convert(adapters, tmp_path / "merged", to="hf")
    merged = own_logits(tmp_path / "merged")
    assert close(peft_logits(small_hf, tmp_path / "peft"), merged)
    assert close(own_logits(small_hf, adapter=tmp_path / "peft"), merged)
    config = json.loads((tmp_path / "peft" / CONFIG).read_text())
    rank_pattern = dict.fromkeys(("q_proj", "k_proj", "v_proj"), 4) if ranks else {}
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (2, 8, 0.25)
    assert config["rank_pattern"] == rank_pattern
    assert config["base_model_name_or_path"] == str(small_hf)


def test_a_fused_adapter_is_split_without_a_change(small_nemo: Path, tmp_path: Path) -> None:
    """q, k and v share A to the bit, and have of B the rows of their groups: [q q k v | q q k v]."""
    adapters = nemo_adapters(tmp_path / "adapters", small_nemo, ranks={})
    convert(adapters, tmp_path / "peft", to="peft")
    found = load_file(tmp_path / "peft" / TENSORS)
    torch.manual_seed(5)
    inward, outward = torch.randn(2, 32) / 4, torch.randn(128, 2) / 4  # the first two, of layer 0's linear_qkv
    a, b = ([found[Q0.replace("q_proj", f"{n}_proj").replace("_A", side)] for n in "qkv"] for side in ("_A", "_B"))
    assert all(torch.equal(one, inward) for one in a)
    heads = outward.view(2, 4, 16, 2)  # groups, [q q k v], head_dim, rank
    for one, wanted in zip(b, (heads[:, :2], heads[:, 2], heads[:, 3]), strict=True):
        assert torch.equal(one, wanted.reshape(-1, 2))
    assert (tmp_path / "peft" / CONFIG).exists()
    assert json.loads((tmp_path / "peft" / CONFIG).read_text())["base_model_name_or_path"] is None


def test_the_base_of_nemos_adapters_can_be_somewhere_else(small_hf: Path, small_nemo: Path, tmp_path: Path) -> None:
    adapters = nemo_adapters(tmp_path / "adapters", small_nemo, ranks={})
    convert(adapters, tmp_path / "own", to="hf")
    (adapters / "weights" / "adapter_metadata.json").write_text('{"model_ckpt_path": "/none"}')
    with refused("adapter-base", fix="--base"):
        convert(adapters, tmp_path / "hf", to="hf")
    convert(adapters, tmp_path / "hf", to="hf", base=small_hf)
    own, given = hf_tensors(tmp_path / "own"), hf_tensors(tmp_path / "hf")
    assert all(torch.equal(tensor, given[name]) for name, tensor in own.items())


def test_canonical_adapters_of_nemo(tmp_path: Path, small_nemo: Path) -> None:
    """Of gate and up they are each its own; of q, k and v only where Megatron's rows are in the order of NeMo's."""
    base = save_model(tmp_path / "hf", num_key_value_heads=1)
    convert(base, tmp_path / "nemo", to="nemo")
    adapters = nemo_adapters(tmp_path / "adapters", tmp_path / "nemo", ranks={}, canonical=True)
    convert(adapters, tmp_path / "peft", to="peft")
    convert(adapters, tmp_path / "merged", to="hf")
    assert close(peft_logits(base, tmp_path / "peft"), own_logits(tmp_path / "merged"))
    found = load_file(tmp_path / "peft" / TENSORS)
    assert not torch.equal(found[Q0], found[Q0.replace("q_proj", "k_proj")])
    grouped = nemo_adapters(tmp_path / "grouped", small_nemo, ranks={}, canonical=True)
    for to in ("peft", "hf"):
        with refused("adapter-canonical-qkv", where="grouped"):
            convert(grouped, tmp_path / "out", to=to)


KEYS: dict[str, tuple[str, Any]] = {
    "bias": ("adapter-key-unsupported", "all"),
    "fan_in_fan_out": ("adapter-key-unsupported", True),
    "modules_to_save": ("adapter-key-unsupported", ["lm_head"]),
    "lora_bias": ("adapter-key-unsupported", True),
    "layer_replication": ("adapter-key-unsupported", [[0, 2]]),
    "trainable_token_indices": ("adapter-key-unsupported", [1]),
    "alora_invocation_tokens": ("adapter-key-unsupported", [1]),
    "target_parameters": ("adapter-key-unsupported", ["x"]),
    "init_lora_weights": ("adapter-key-unsupported", "pissa"),
    "peft_type": ("adapter-key-unsupported", "LOHA"),
    "task_type": ("adapter-key-unsupported", "SEQ_CLS"),
    "use_rslora": ("adapter-key-unsupported", 1),
    "use_hydra": ("adapter-unknown-key", True),
    "r": ("adapter-rank", 0),
    "rank_pattern": ("adapter-rank", {"q_proj": True}),
    "alpha_pattern": ("adapter-pattern", {"(a+)+$": 2}),
    "lora_alpha": ("adapter-alpha", math.inf),
    "target_modules": ("adapter-targets", []),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_would_change_the_result_is_named(key: str, adapter: Path, small_hf: Path) -> None:
    kind, value = KEYS[key]
    edit_json(adapter / CONFIG, **{key: value})
    with refused(kind, where=CONFIG, names=key):
        load_model(small_hf, adapter=adapter)


@pytest.mark.parametrize("alpha", [0, -1, math.nan, 10**400, "8", True])
def test_a_scale_that_is_not_a_number(alpha: Any, adapter: Path, small_hf: Path) -> None:
    edit_json(adapter / CONFIG, lora_alpha=alpha)
    with refused("adapter-alpha"):
        load_model(small_hf, adapter=adapter)


def test_tensors_and_targets_must_be_the_same(adapter: Path, small_hf: Path) -> None:
    for targets in (["q_proj"], ["q_proj", "v_proj", "k_proj"], ["lm_head", "q_proj", "v_proj"]):
        edit_json(adapter / CONFIG, target_modules=targets)
        with refused("adapter-targets", where=CONFIG):
            load_model(small_hf, adapter=adapter)


def test_tensors_that_do_not_belong(adapter: Path, small_hf: Path) -> None:
    tensors = load_file(adapter / TENSORS)

    def write(**changes: torch.Tensor | None) -> None:
        kept = {name: tensor for name, tensor in {**tensors, **changes}.items() if tensor is not None}
        save_file(kept, adapter / TENSORS)  # type: ignore[arg-type]

    other = Q0.replace("self_attn.q_proj", "input_layernorm")
    cases: list[tuple[str, dict[str, Any]]] = [
        ("unknown-tensor", {other: torch.ones(4, 32)}),
        ("unknown-tensor", {"base_model.model.lm_head.lora_A.weight": torch.ones(4, 32)}),
        ("missing-tensor", {Q0.replace("_A", "_B"): None}),
        ("adapter-targets", {Q0: None, Q0.replace("_A", "_B"): None}),
        ("tensor-shape", {Q0: torch.ones(3, 32)}),
        ("tensor-shape", {Q0: torch.ones(32, 4)}),
        ("tensor-dtype", {Q0: torch.ones(4, 32, dtype=torch.int64)}),
    ]
    for kind, changes in cases:
        write(**changes)
        with refused(kind):
            load_model(small_hf, adapter=adapter)
    save_file({"x": torch.ones(1)}, adapter / TENSORS)
    with refused("adapter-empty", where=TENSORS):
        load_model(small_hf, adapter=adapter)


def test_numbers_that_are_not_finite(adapter: Path, small_hf: Path, tmp_path: Path) -> None:
    tensors = load_file(adapter / TENSORS)
    tensors[Q0][0, 0] = math.nan
    save_file(tensors, adapter / TENSORS)
    with refused("weights-not-finite", names="layers.0.self_attn.q_proj"):
        load_model(small_hf, adapter=adapter, device="cpu")


def test_files_that_are_damaged_missing_or_pickled(adapter: Path, small_hf: Path, tmp_path: Path) -> None:
    content = (adapter / TENSORS).read_bytes()
    (adapter / TENSORS).write_bytes(content[:-8])
    with refused("safetensors-damaged", where=TENSORS):
        load_model(small_hf, adapter=adapter)
    (adapter / TENSORS).unlink()
    with refused("adapter-incomplete", names=TENSORS):
        load_model(small_hf, adapter=adapter)
    torch.save({}, adapter / "adapter_model.bin")
    with refused("pickled-weights", where="adapter_model.bin"):
        load_model(small_hf, adapter=adapter)
    (adapter / TENSORS).write_bytes(content)
    (adapter / CONFIG).write_text('{"r": 4, "r": 8}')
    with refused("not-json", where=CONFIG):
        load_model(small_hf, adapter=adapter)
    with refused("no-such-directory"):
        load_model(small_hf, adapter=tmp_path / "none")
    with refused("adapter-incomplete", names=CONFIG):
        load_model(small_hf, adapter=small_hf)


def test_what_is_not_an_adapter_or_lacks_its_base(
    adapter: Path, small_hf: Path, small_nemo: Path, tmp_path: Path
) -> None:
    edit_json(adapter / CONFIG, base_model_name_or_path=str(small_hf))
    for call in (lambda: convert(adapter, tmp_path / "out", to="hf"), lambda: summarise(adapter)):
        with refused("peft-adapter", where=CONFIG, fix="--base"):  # the name is not followed
            call()
    for source in (small_hf, small_nemo, adapter):
        with refused("not-an-adapter"):
            convert(source, tmp_path / "out", to="peft")
    with refused("option-not-for-adapters", fix="--optimizer"):
        convert(small_nemo, tmp_path / "out", to="peft", optimizer=True)
    with refused("not-an-adapter", fix="--base"):
        convert(small_nemo, tmp_path / "out", to="hf", base=small_hf)
    with refused("tensor-shape"):
        load_model(save_model(tmp_path / "wider", intermediate_size=64, hidden_size=64), adapter=adapter)
    with refused("tensor-shape"):
        convert(
            nemo_adapters(tmp_path / "a", small_nemo, ranks={}), tmp_path / "out", to="peft", base=tmp_path / "wider"
        )
    assert not (tmp_path / "out").exists()


def save_head(base: Path, out: Path, head: Head, **settings: Any) -> Path:
    """An adapter with a head of random numbers, as PEFT saves it for a class of transformers, and what the head is."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    auto = AutoModelForTokenClassification if head.bias else AutoModelForSequenceClassification
    torch.manual_seed(1)
    model = auto.from_pretrained(base, num_labels=len(head.labels))
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **settings}
    model = get_peft_model(model, LoraConfig(task_type=task_type(head), **settings))
    for name, parameter in model.named_parameters():
        if "lora_" in name or "score" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(out)
    write_head(out, head)
    torch.save(model.eval()(TOKENS[:1]).logits[0].detach(), out / "logits.pt")
    return out


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_an_adapter_with_a_head_predicts_as_peft_does(pooling: str, small_hf: Path, tmp_path: Path) -> None:
    """Beside the base; and merged, as an export."""
    head = Head(kind="classify", labels=("a", "b", "c"), pooling=pooling)
    adapter = save_head(small_hf, tmp_path / "adapter", head)
    logits = torch.load(adapter / "logits.pt")
    wanted = logits.mean(0) if pooling == "mean" else logits
    record = Record(ids=encode(bytes(TOKENS[0].tolist())), where="", length=TOKENS.shape[1])
    for model in (small_hf, convert(adapter, tmp_path / "hf", to="hf", base=small_hf) and tmp_path / "hf"):
        beside = adapter if model == small_hf else None
        loaded = load_model(model, device="cpu", adapter=beside)
        (found,) = head_logits(loaded, [record.ids], check_predictor(model, beside))
        assert close(torch.from_numpy(found), wanted)
    with refused("has-head", where=adapter, fix="predict"):
        check_language_model(small_hf, adapter)
    before = model_digest(small_hf, adapter)
    write_head(adapter, dataclasses.replace(head, scale=(2.0,) * 3, shift=(0.0,) * 3))
    assert model_digest(small_hf, adapter) != before


def test_heads_of_adapters_that_contradict_themselves(small_hf: Path, tmp_path: Path) -> None:
    head = Head(kind="classify", labels=("a", "b"))
    adapter = save_head(small_hf, tmp_path / "adapter", head)
    with refused("adapter-key-unsupported", where=CONFIG, names="task_type"):
        edit_json(adapter / CONFIG, task_type="CAUSAL_LM")
        load_model(small_hf, adapter=adapter)
    edit_json(adapter / CONFIG, task_type="SEQ_CLS")
    with refused("adapter-head", where=CONFIG, names="TOKEN_CLS"):
        write_head(adapter, dataclasses.replace(head, pooling="mean"))
        load_model(small_hf, adapter=adapter)
    with refused("tensor-shape"):
        write_head(adapter, dataclasses.replace(head, labels=("a", "b", "c")))
        load_model(small_hf, adapter=adapter)
    with refused("task-head", where="task_head.json"):
        write_head(adapter, dataclasses.replace(head, labels=("a", "a")))
        load_model(small_hf, adapter=adapter)


@pytest.mark.parametrize("pooling", ["last", "none"])
def test_a_head_that_peft_trained_alone_is_read_once_its_labels_are_said(
    pooling: str, small_hf: Path, tmp_path: Path
) -> None:
    kind = "classify" if pooling == "last" else "tokens"
    adapter = save_head(small_hf, tmp_path / "adapter", Head(kind=kind, labels=("a", "b", "c"), pooling=pooling))
    (adapter / "task_head.json").unlink()
    with refused("adapter-head", where="adapter", fix="task_head.json") as caught:
        load_model(small_hf, adapter=adapter)
    (adapter / "task_head.json").write_text(caught.value.fix.partition(": ")[2])
    head = check_predictor(small_hf, adapter)
    assert (head.kind, head.labels, head.pooling) == (kind, ("NAME0", "NAME1", "NAME2"), pooling)
    record = Record(ids=encode(bytes(TOKENS[0].tolist())), where="", length=TOKENS.shape[1])
    (found,) = head_logits(load_model(small_hf, device="cpu", adapter=adapter), [record.ids], head)
    assert close(torch.from_numpy(found), torch.load(adapter / "logits.pt"))


def test_an_adapter_is_not_merged_twice(saved: Path, small_hf: Path, tmp_path: Path) -> None:
    """Beside an export or into it, under another name too; another adapter may be merged as well."""
    convert(saved, tmp_path / "merged", to="hf", base=small_hf)
    moved = shutil.copytree(saved, tmp_path / "moved")
    for adapter in (saved, moved):
        with refused("adapter-merged-before", where=adapter, names="merged", fix=str(small_hf)):
            load_model(tmp_path / "merged", adapter=adapter)
        with refused("adapter-merged-before", where=adapter):
            convert(adapter, tmp_path / "twice", to="hf", base=tmp_path / "merged")
    other = save_adapter(small_hf, tmp_path / "other", **ADAPTERS["one layer"])
    assert not close(own_logits(tmp_path / "merged", adapter=other), own_logits(tmp_path / "merged"))
    edit_json(tmp_path / "merged" / "conversion.json", adapter_checksum=None, checkpoint=None, source="elsewhere")
    assert not close(own_logits(tmp_path / "merged", adapter=moved), own_logits(tmp_path / "merged"))


def test_the_digest_is_of_base_and_adapter(adapter: Path, small_hf: Path) -> None:
    before = model_digest(small_hf, adapter)
    assert before != model_digest(small_hf)
    assert identify(small_hf, adapter).weights == before
    edit_json(adapter / CONFIG, lora_alpha=9)
    assert model_digest(small_hf, adapter) != before
