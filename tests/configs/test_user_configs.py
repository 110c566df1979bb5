"""A configuration from elsewhere sets our keys; it does not reach for Hydra, other folders, or the environment."""

from pathlib import Path

import pytest
from refusal import refused

from configs.compose import compose_config

PLAIN = """defaults: [train_tiny, _self_]
run_dir: runs/x
optimizer: {lr: 1e-3}
"""


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 30))


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def test_one_that_keeps_to_our_keys_is_composed(tmp_path: Path) -> None:
    config = compose_config(
        "mine", directory=write(tmp_path, PLAIN + "trainer: {max_steps: '${optimizer.schedule_steps}'}\n")
    )
    assert config.run_dir == "runs/x"
    assert config.trainer.max_steps == config.optimizer.schedule_steps


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PLAIN.replace("runs/x", "${oc.env:HOME}/x"), "reads-beyond-file"),
        (PLAIN.replace("runs/x", "'${oc.decode:${oc.env:HOME}}'"), "reads-beyond-file"),
        (PLAIN.replace("runs/x", "'${${a}:HOME}'"), "reads-beyond-file"),
        (PLAIN + "hydra: {callbacks: {x: {_target_: os.system, command: 'touch ran'}}}\n", "configures-hydra"),
        (PLAIN + "hydra: {searchpath: ['pkg://antigravity']}\n", "configures-hydra"),
        ("# @package hydra.callbacks\n" + PLAIN, "configures-hydra"),
        (PLAIN.replace("_self_", "../../secret"), "default-elsewhere"),
        (PLAIN.replace("_self_", "data@hydra.callbacks: mine"), "default-elsewhere"),
        (PLAIN.replace("_self_", "'file:///etc': passwd"), "default-elsewhere"),
        (PLAIN.replace("_self_", "override hydra/launcher: evil"), "default-elsewhere"),
        (PLAIN + "x: !!python/object/apply:os.system ['touch ran']\n", "yaml-tag"),
        (PLAIN + "_target_: os.system\n", "not-composed"),
        (LAUGHS, "too-many-values"),
        ("a: " + "[" * 10_000, "nested-too-deep"),
    ],
)  # fmt: skip
def test_one_that_reaches_further_is_refused(
    text: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with refused(kind):
        compose_config("mine", directory=write(tmp_path / "configs", text))
    assert not (tmp_path / "ran").exists()


def test_a_group_of_its_own_is_looked_at_too(tmp_path: Path) -> None:
    write(tmp_path, PLAIN.replace("_self_", "data: other"))
    write(tmp_path, "# @package hydra.job_logging\nx: 1\n", "data/other.yaml")
    with refused("configures-hydra", where="other.yaml"):
        compose_config("mine", directory=tmp_path)


def test_a_link_out_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, PLAIN, "elsewhere/secret.yaml")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").symlink_to(tmp_path / "elsewhere" / "secret.yaml")
    with refused("link-outside", where="mine.yaml"):
        compose_config("mine", directory=tmp_path / "configs")
