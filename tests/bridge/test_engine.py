"""The second engine trains like the first, resumes exactly, and continues runs of the first."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from by_hand import hf_tensors
from engine_runs import losses, words
from nemo_process import train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conversion.convert import convert
from conversion.manifest import read_manifest

Run = Callable[..., None]


@pytest.fixture(scope="module")
def nemo_run(folder: Path) -> Path:
    log = folder / "nemo.log"
    assert train(*words(folder, "nemo", "trainer.max_steps=20"), log=log) == 0, log.read_text()[-3000:]
    return folder / "nemo"


def test_both_engines_give_the_same_curve(nemo_run: Path, bridge_run: Path, tmp_path: Path) -> None:
    first, second = losses(nemo_run), losses(bridge_run)
    assert first.keys() == second.keys() == set(range(1, 21))
    assert max(abs(first[step] - second[step]) for step in first) < 1e-6
    assert losses(nemo_run, "learning_rate") == losses(bridge_run, "learning_rate")
    for key, within in (("bits_per_base", 2e-6), ("validation_loss", 2e-6), ("grad_norm", 1e-4)):
        theirs = losses(bridge_run, key)
        assert {step: pytest.approx(value, abs=within) for step, value in losses(nemo_run, key).items()} == theirs
    convert(nemo_run, tmp_path / "nemo", to="hf")
    convert(bridge_run / "checkpoints", tmp_path / "bridge", to="hf")
    one, other = hf_tensors(tmp_path / "nemo"), hf_tensors(tmp_path / "bridge")
    assert one.keys() == other.keys()
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6


def test_the_8b_run_on_gpus_has_a_place_for_each_setting(bridge: Run, tmp_path: Path) -> None:
    """Its configuration is made; there is no GPU to train on."""
    bridge("places", tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == {
        "absent": [],
        "layers": 32,
        "moments": "torch.float32",
        "precision_aware": True,
        "graphs": "transformer_engine",
        "tracker": True,
        "rank": 8,
        "overlap": True,
        "dtype": "torch.bfloat16",
    }


def test_packed_samples_with_weights(folder: Path, bridge: Run) -> None:
    """Several documents in a sample, and attention within each; lower-case bases weigh a third."""
    packed = ("dataset.mode=packed", "dataset.soft_mask_weight=0.33", "trainer.max_steps=5")
    log = folder / "packed.log"
    assert train(*words(folder, "packed_nemo", *packed), log=log) == 0, log.read_text()[-3000:]
    bridge("train", *words(folder, "packed", "engine=bridge", *packed))
    first, second = losses(folder / "packed_nemo"), losses(folder / "packed")
    assert first.keys() == second.keys() == set(range(1, 6))
    assert max(abs(first[step] - second[step]) for step in first) < 1e-6


@pytest.mark.parametrize("every", [2, 5])
def test_both_validate_at_each_interval_and_at_the_end(every: int, folder: Path, bridge: Run) -> None:
    given = (f"trainer.validate_every={every}", "trainer.max_steps=3")
    log = folder / "validate.log"
    assert train(*words(folder, f"nemo_{every}", *given), log=log) == 0, log.read_text()[-3000:]
    bridge("train", *words(folder, f"bridge_{every}", "engine=bridge", *given))
    first, second = (losses(folder / f"{name}_{every}", "validation_loss") for name in ("nemo", "bridge"))
    assert first.keys() == second.keys() == {step for step in (2, 3) if step % every == 0 or step == 3}
    assert max(abs(first[step] - second[step]) for step in first) < 2e-6
    tags = shown_in_tensorboard(folder / f"bridge_{every}")
    assert tags == shown_in_tensorboard(folder / f"nemo_{every}")
    assert {"train/loss", "validation/loss"} <= tags


def shown_in_tensorboard(run: Path) -> set[str]:
    """The names of the curves."""
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return set(events.Tags()["scalars"])


def test_a_run_is_cut_short_and_made_longer(folder: Path, bridge_run: Path, bridge: Run) -> None:
    for steps in (4, 12):
        bridge("train", *words(folder, "longer", "engine=bridge", f"trainer.max_steps={steps}"))
    found, wanted = losses(folder / "longer"), losses(bridge_run)
    assert found == {step: wanted[step] for step in range(1, 13)}
    validated, whole = losses(folder / "longer", "validation_loss"), losses(bridge_run, "validation_loss")
    assert validated.keys() == {4, 10, 12}  # the last step of each start, and an interval
    assert validated[10] == whole[10]


def test_it_resumes_exactly_from_its_newest_whole_checkpoint(folder: Path, bridge_run: Path, bridge: Run) -> None:
    """The checkpoint of step 20 was not written to its end."""
    again = Path(shutil.copytree(bridge_run, folder / "again"))
    (again / "checkpoints" / "iter_0000020" / "manifest.json").unlink()
    text = (again / "metrics.jsonl").read_text().splitlines(keepends=True)
    (again / "metrics.jsonl").write_text("".join(line for line in text if json.loads(line)["step"] <= 10))
    bridge("train", *words(folder, "again", "engine=bridge", "trainer.max_steps=20"))
    assert losses(again) == losses(bridge_run)
    assert losses(again, "validation_loss") == losses(bridge_run, "validation_loss")
    assert read_manifest(again / "checkpoints" / "iter_0000020") is not None


def test_a_run_of_nemo_continues_in_it_with_its_optimizer(folder: Path, nemo_run: Path, bridge: Run) -> None:
    """From step 10, by `convert --optimizer`."""
    convert(nemo_run / "checkpoints" / "step=10", folder / "moved" / "checkpoints", to="bridge", optimizer=True)
    bridge("train", *words(folder, "moved", "engine=bridge", "trainer.max_steps=20"))
    assert_continued(folder / "moved", nemo_run)


def test_a_run_of_it_continues_in_nemo_with_its_optimizer(folder: Path, bridge_run: Path) -> None:
    """And back."""
    source, run = bridge_run / "checkpoints" / "iter_0000010", folder / "back"
    convert(source, run / "checkpoints" / "step=10", to="nemo", optimizer=True)
    log = folder / "back.log"
    assert train(*words(folder, "back", "trainer.max_steps=20"), log=log) == 0, log.read_text()[-3000:]
    assert_continued(run, bridge_run)


def assert_continued(run: Path, whole: Path) -> None:
    """That `run` did steps 11 to 20 as `whole` did, learning rates and validation included."""
    for key in ("loss", "learning_rate", "validation_loss"):
        found, wanted = losses(run, key), losses(whole, key)
        assert found.keys() == {step for step in wanted if step > 10}
        assert max(abs(found[step] - wanted[step]) for step in found) < 1e-6, key
