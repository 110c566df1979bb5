"""A model that is extended: it reads what it could not, over ranks too, and says so wherever it is written."""

import json
from pathlib import Path

import pytest
from parallel_cases import curve, trained
from refusal import refused

from configs.compose import compose_config
from configs.extension import run_architecture
from configs.rope import RopeScaling
from conversion.convert import convert
from conversion.formats import open_checkpoint
from foundation.untrusted import read_yaml
from training.checkpointing.same_run import check_resume

CLOSE = 1e-5
LONGER = ("dataset.sequence_length=256", "rope.factor=4")
SCALING = RopeScaling(factor=4.0, original_max_position_embeddings=64)


@pytest.fixture(scope="module")
def base(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The overrides that start from the run of 64 tokens, as the model that it is."""
    out = tmp_path_factory.mktemp("base") / "hf"
    convert(whole / "checkpoints" / "step=3", out, to="hf")
    return f"model_tag={out}", f"init_from={whole / 'checkpoints' / 'step=3'}"


@pytest.fixture(scope="module")
def extended(base: tuple[str, ...], corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("extended") / "run"
    trained(run, corpus, "finetune_tiny", *base, *LONGER)
    return run


def test_two_context_parallel_processes_compute_what_one_does(
    extended: Path, base: tuple[str, ...], corpus: Path, tmp_path: Path
) -> None:
    losses = trained(tmp_path / "run", corpus, "finetune_tiny", *base, *LONGER, "parallelism.context=2", ranks=2)
    assert losses == pytest.approx(curve(extended), rel=0, abs=CLOSE)


def test_packed_documents_over_two_context_parallel_processes(start: str, corpus: Path, tmp_path: Path) -> None:
    """Pieces of these documents are multiples of four tokens, so that both packings are the same."""
    values = ("finetune_tiny", start, "dataset.mode=packed", "dataset.micro_batch_size=2")
    one = trained(tmp_path / "one", corpus, *values)
    two = trained(tmp_path / "two", corpus, *values, "parallelism.context=2", ranks=2)
    assert two == pytest.approx(one, rel=0, abs=CLOSE)
    for key, allowed in (("bits_per_base", 2 * CLOSE), ("bases", 0)):
        assert curve(tmp_path / "two", key) == pytest.approx(curve(tmp_path / "one", key), rel=0, abs=allowed)
    assert (corpus / "train.64.by4.pack").is_file()
    config = compose_config(
        "finetune_tiny",
        [f"run_dir={tmp_path}/two", f"dataset.corpus={corpus}", "dataset.mode=packed", "dataset.sequence_length=64"],
    )
    with refused("another-run", names="document_multiple"):
        check_resume(config, run_architecture(config), 64)


def test_what_is_written_says_the_new_context(extended: Path, tmp_path: Path) -> None:
    recorded = read_yaml(extended / "config.yaml")["model"]
    convert(extended, tmp_path / "hf", to="hf")
    exported = json.loads((tmp_path / "hf" / "config.json").read_text())
    for written in (recorded, exported):
        assert written["max_position_embeddings"] == 256
        assert written["rope_scaling"] == {"rope_type": "llama3", **vars(SCALING)}
    for checkpoint in (extended, tmp_path / "hf"):
        architecture = open_checkpoint(checkpoint).architecture
        assert (architecture.max_position_embeddings, architecture.rope_scaling) == (256, SCALING)


def test_a_run_goes_on_without_its_base(extended: Path, base: tuple[str, ...], corpus: Path) -> None:
    """It is the same model by its configuration alone; another factor is another run."""
    words = [f"run_dir={extended}", f"dataset.corpus={corpus}", base[0], "init_from=gone", LONGER[0]]
    config = compose_config("finetune_tiny", [*words, LONGER[1]])
    check_resume(config, run_architecture(config), 256)
    config = compose_config("finetune_tiny", [*words, "rope.factor=5"])
    with refused("another-run", names="rope_scaling"):
        check_resume(config, run_architecture(config), 256)
