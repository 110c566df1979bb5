"""Low-rank adapters: they train beside frozen weights, go on after a stop, and merge into a Hugging Face export."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from golden import check_golden
from lora_cases import compare_merged
from nemo_process import run_in_process
from parallel_cases import VALUES, curve, trained
from refusal import refused

from configs.compose import compose_config
from configs.llama import read_architecture
from conversion.convert import convert, strip
from conversion.locate import find_checkpoint
from launch.preflight.check import check_config
from training.checkpointing.same_run import check_resume
from training.metrics.flops import flops_per_token


@pytest.fixture(scope="module")
def adapted(start: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("lora") / "adapted"
    trained(run, corpus, "finetune_tiny_lora", start)
    return run


def test_adapters_begin_as_nothing_and_learn(adapted: Path, one_process: list[float]) -> None:
    losses = curve(adapted)
    assert losses[0] == pytest.approx(one_process[0], rel=0, abs=1e-6)
    assert losses[-1] < losses[0]
    assert losses[-1] != pytest.approx(one_process[-1], rel=0, abs=1e-4)
    check_golden("finetune_tiny_lora", losses)
    flops = flops_per_token(read_architecture("llama3_tiny_genomic_config"), 64, lora_dim=8)
    speeds, rates = curve(adapted, "tokens_per_second"), curve(adapted, "tflops_per_device")
    assert rates == pytest.approx([speed * flops / 1e12 for speed in speeds])
    config = yaml.safe_load((adapted / "config.yaml").read_text())
    assert {name: config["lora"][name] for name in ("dim", "alpha", "dropout")} == {"dim": 8, "alpha": 32, "dropout": 0}


def test_adapters_go_on_after_a_stop(adapted: Path, start: str, corpus: Path, tmp_path: Path) -> None:
    """With dropout: to the bit, so the random states go on too, past a validation that only one of the two has."""
    values = ("finetune_tiny_lora", start, "lora.dropout=0.5")
    whole = trained(tmp_path / "whole", corpus, *values, "trainer.validate_every=2")
    for steps in (3, 5):
        losses = trained(tmp_path / "run", corpus, *values, steps=steps)
    assert losses == whole
    here = (start, f"run_dir={tmp_path / 'run'}", f"dataset.corpus={corpus}", *VALUES)
    config = compose_config("finetune_tiny_lora", (*here, "lora.alpha=16"))
    with refused("another-run", where="step=5", names="lora_alpha is 16"):
        check_resume(config, *check_config(config))
    assert losses[-1] != pytest.approx(curve(adapted)[-1], rel=0, abs=1e-4)


def test_adapters_over_two_processes(adapted: Path, start: str, corpus: Path, tmp_path: Path) -> None:
    """Tensor parallel, with sequence parallelism, where an adapter gathers what it reads."""
    layout = ("parallelism.tensor=2", "parallelism.sequence_parallel=true")
    losses = trained(tmp_path / "run", corpus, "finetune_tiny_lora", start, *layout, ranks=2)
    assert losses == pytest.approx(curve(adapted), rel=0, abs=1e-5)


@pytest.mark.parametrize("layers", [pytest.param(2, marks=pytest.mark.torture), 4])
def test_adapters_of_recomputed_layers_learn_alike(
    layers: int, adapted: Path, start: str, corpus: Path, tmp_path: Path
) -> None:
    losses = trained(tmp_path / "run", corpus, "finetune_tiny_lora", start, f"parallelism.recompute_layers={layers}")
    assert losses == pytest.approx(curve(adapted), rel=0, abs=1e-6)


def test_the_export_is_nemos_merge(adapted: Path, whole: Path, tmp_path: Path) -> None:
    """fp32 logits of the export are those of NeMo's merged model, and of adapters beside the weights."""
    convert(adapted, tmp_path / "exported", to="hf")
    convert(whole / "checkpoints" / "step=3", tmp_path / "base", to="hf")
    out, log = tmp_path / "out.json", tmp_path / "log"
    arguments = (find_checkpoint(adapted).path, tmp_path / "exported", tmp_path / "base", out)
    assert run_in_process(compare_merged, *arguments, log=log) == 0, log.read_text()[-3000:]
    differences = json.loads(out.read_text())
    assert differences["exported"] < 1e-5
    assert differences["beside"] < 1e-5
    assert differences["base"] > 1e-2  # the adapters did something


def test_adapters_without_their_base_are_refused(adapted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(find_checkpoint(adapted).path, tmp_path / "adapters"))
    (copy / "weights" / "adapter_metadata.json").write_text('{"model_ckpt_path": "/none"}')
    with refused("adapter-base", where="adapter_metadata.json", names="'/none'"):
        convert(copy, tmp_path / "out", to="hf")
    assert not (tmp_path / "out").exists()


def test_the_optimizer_of_adapters_stays_where_it_is(adapted: Path, tmp_path: Path) -> None:
    with refused("optimizer-of-adapters", where="step=5", fix="--optimizer"):
        convert(adapted, tmp_path / "out", to="nemo", optimizer=True)
    with refused("adapters-and-optimizer", where="adapted", fix="nemo"):
        strip(adapted, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("written", "kind", "names"),
    [
        ("alpha: none", "adapter-rank", "alpha 'none'"),
        pytest.param(f"alpha: {10**400}", "adapter-rank", "hundreds of digits", id="a long alpha"),
        ("_target_: some.DoRA", "adapter-class", "'some.DoRA'"),
        ("dim: 4", "tensor-shape", "[4, 8, 256]"),
    ],
)
def test_other_adapters_are_refused(written: str, kind: str, names: str, adapted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(find_checkpoint(adapted).path, tmp_path / "adapters"))
    config, key = copy / "context" / "model.yaml", written.partition(":")[0]
    before, begin, after = config.read_text().partition("\nmodel_transform:")
    config.write_text(before + begin + re.sub(rf"\n  {key}: .*", f"\n  {written}", after, count=1))
    with refused(kind, names=names):
        convert(copy, tmp_path / "out", to="hf")


def test_adapters_for_peft_are_the_merge(adapted: Path, whole: Path, tmp_path: Path) -> None:
    """What NeMo trained, beside the exported base in the real PEFT: the logits of our merged export."""
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    convert(whole / "checkpoints" / "step=3", tmp_path / "base", to="hf")
    convert(adapted, tmp_path / "merged", to="hf")
    convert(adapted, tmp_path / "adapter", to="peft", base=tmp_path / "base")
    tokens = torch.tensor(list(b"ACGT"))[torch.randint(4, (2, 64), generator=torch.Generator().manual_seed(1))]
    with torch.no_grad():
        base, merged = (LlamaForCausalLM.from_pretrained(tmp_path / name) for name in ("base", "merged"))
        before, wanted = base(tokens).logits, merged(tokens).logits
        found = PeftModel.from_pretrained(base, tmp_path / "adapter")(tokens).logits
    assert float((found - wanted).abs().max()) < 1e-5
    assert float((before - wanted).abs().max()) > 1e-2


def test_ranks_of_layers_and_layers_without_adapters(start: str, corpus: Path, tmp_path: Path) -> None:
    """NeMo trains them as they are set, the run records them, and what it saved is read with the same ranks."""
    words = ("lora.target_modules=[linear_qkv,linear_fc2]", "lora.rank_pattern=[linear_fc2:4]")
    trained(tmp_path / "run", corpus, "finetune_tiny_lora", start, *words)
    recorded = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["lora"]
    assert recorded["target_modules"] == ["linear_qkv", "linear_fc2"]
    assert recorded["rank_pattern"] == ["linear_fc2:4"]
    convert(tmp_path / "run", tmp_path / "adapter", to="peft")
    written = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert written["target_modules"] == ["down_proj", "k_proj", "q_proj", "v_proj"]
    assert (written["r"], written["rank_pattern"]) == (8, {"down_proj": 4})
    here = (start, f"run_dir={tmp_path / 'run'}", f"dataset.corpus={corpus}", *VALUES)
    config = compose_config("finetune_tiny_lora", (*here, words[0]))
    with refused("another-run", where="step=5", names="lora_ranks"):
        check_resume(config, *check_config(config))
