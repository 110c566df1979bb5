"""Every shipped GPU configuration takes three steps: its model at tiny shapes, its layout, each precision."""

import json
from pathlib import Path

import pytest
from gpu_cases import TINY
from gpu_process import BLACKWELL, HOPPER, train_on_gpus
from parallel_cases import curve

from configs.compose import compose_config
from configs.locate import find_directory
from launch.planning.names import FACTORIES
from scripts.support_page import EMULATED

SHAPES = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "head_dim": 32,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "num_hidden_layers": 4,
    "max_position_embeddings": 1024,
}
SIZES = [name for name in FACTORIES.values() if name != "train_tiny"]
LARGE = ("train_28b", "train_35b")
"""Those that take four processes; one of them is enough each time."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.torture) if name in LARGE[1:] else name for name in SIZES]
)
def test_a_configuration_trains_on_its_layout(name: str, corpus: Path, tmp_path: Path) -> None:
    check_three_steps(tmp_path, name, corpus)


@pytest.mark.parametrize("precision", [one for each in EMULATED.values() for one in each if one != "bf16"])
def test_the_8b_trains_in_each_precision_on_two_gpus(precision: str, corpus: Path, tmp_path: Path) -> None:
    """Weights in FP8, gathered while the layers compute; two GPUs give the curve of one."""
    capability = BLACKWELL if precision == "mxfp8" else HOPPER
    curves = []
    for ranks in (1, 2):
        values = (f"precision={precision}", "dataset.global_batch_size=4")
        folder = tmp_path / str(ranks)
        folder.mkdir()
        curves.append(check_three_steps(folder, "train_8b_opengenome2", corpus, *values, ranks=ranks, gpu=capability))
    assert curves[1] == pytest.approx(curves[0], rel=0, abs=1e-2)  # delayed scales follow the micro-batches


@pytest.mark.parametrize(
    "layout", ["gpus_1", "gpus_8", *(pytest.param(name, marks=pytest.mark.torture) for name in ("gpus_64", "gpus_512"))]
)
def test_a_named_layout_trains_on_fewer_gpus(layout: str, corpus: Path, tmp_path: Path) -> None:
    """All that it says, but for the number of GPUs."""
    values = (f"parallelism={layout}", "parallelism.gpus=null", "dataset.global_batch_size=4")
    check_three_steps(tmp_path, "train_8b_opengenome2", corpus, *values)


def check_three_steps(
    folder: Path, name: str, corpus: Path, *overrides: str, ranks: int = 0, gpu: tuple[int, int] = HOPPER
) -> list[float]:
    """Train and save; the losses, which are finite and fall. `ranks`: 0 for as few as the layout takes."""
    config = compose_config(name, [f"run_dir={folder / 'run'}", *overrides])
    layout = config.parallelism
    ranks = ranks or layout.tensor * layout.pipeline * layout.context
    machine = [
        f"hardware={'b200' if gpu == BLACKWELL else 'h100'}",
        f"hardware.devices={ranks}",
        "hardware.num_nodes=1",
    ]
    values = [f"model_tag={tiny_model(config.model_tag, folder / 'model')}", f"run_dir={folder / 'run'}", *machine]
    values += [f"dataset.corpus={corpus}", "dataset.global_batch_size=8", *TINY, "dataset.micro_batch_size=2"]
    values += ["trainer.max_steps=3", "optimizer.warmup_steps=0", "optimizer.lr=1e-3"]
    values += ["dataset.num_workers=0", *overrides]  # eight processes per rank would take longer than the steps
    log = folder / "log"
    status = train_on_gpus(ranks, "--config-name", name, *values, log=log, capability=gpu)
    assert status == 0, "".join(path.read_text()[-3000:] for path in folder.glob("log*"))
    losses = curve(folder / "run")
    assert len(losses) == 3
    assert losses[2] < losses[0] < 8
    assert (folder / "run" / "checkpoints" / "step=3" / "manifest.json").is_file()
    return losses


def tiny_model(model_tag: str, folder: Path) -> Path:
    """A model directory with the shapes of `SHAPES` and all else of a shipped one: its RoPE, its norms."""
    config = json.loads((find_directory(model_tag, holding="config.json") / "config.json").read_text())
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, **SHAPES}))
    return folder
