"""The table of recipes in the README: what `plan` says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from configs.compose import compose_config
from configs.llama import read_architecture
from genomic_llama.cli.main import app
from launch.planning.names import configuration

pytestmark = pytest.mark.fast

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SIZES = ("tiny", "100m", "300m", "1b", "3b", "8b", "11b", "18b", "28b", "35b")


def _row(size: str) -> str:
    recipe = f"llama3_{size}_genomic"
    plan = json.loads(CliRunner().invoke(app, ["plan", recipe, "--gpu", "h100", "--json"]).stdout)
    name, words = configuration(recipe)
    model = read_architecture(compose_config(name, words).model_tag)
    shape = f"| `{recipe}` | {plan['parameters']:,} | {model.num_hidden_layers} × {model.hidden_size} |"  # noqa: RUF001
    if not plan["fits"]:  # it runs on a CPU
        return f"{shape} | | |"
    predicted, memory = plan["recipe_layout"]["predicted"], plan["recipe_layout"]["memory_bytes"]
    slow, fast = (speed / plan["gpus"] for speed in predicted["tokens_per_second_range"])
    return f"{shape} {plan['gpus']} | {memory['total'] / 2**30:.0f} | {slow / 1000:.3g}k to {fast / 1000:.3g}k |"


@pytest.mark.parametrize("size", SIZES)
def test_a_row_is_what_the_plan_says(size: str) -> None:
    assert _row(size) in README


def test_the_table_has_all_recipes() -> None:
    assert README.count("| `llama3_") == len(SIZES)
