"""The house: what may import what. Each folder may import from those before it, never from those after."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"conduct"},
    {"pages"},
    {"tokenizer"},
    {"configs"},
    {"corpus"},
    {"conversion"},
    {"recipes", "evaluation"},
    {"cli"},
)
LEVEL = {folder: level for level, floor in enumerate(FLOORS) for folder in floor}
MODULES = sorted(path for folder in LEVEL for path in (ROOT / folder).rglob("*.py"))
# Pure modules: quick to import and to test. The rims that adapt to NeMo are named.
PURE = {"conduct", "pages", "configs", "tokenizer", "corpus", "conversion", "evaluation", "cli"}
RIMS = {"tokenizer/nucleotide.py", "corpus/data_module.py"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_down(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    upward = {name for name in imports(path) & LEVEL.keys() if name != folder and LEVEL[name] >= LEVEL[folder]}
    assert not upward, f"{folder} must not import {sorted(upward)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_modules_know_no_nemo(path: Path) -> None:
    relative = path.relative_to(ROOT)
    if relative.parts[0] in PURE and str(relative) not in RIMS:
        assert not imports(path) & {"nemo", "nemo_run", "megatron", "lightning"}


def test_every_folder_with_code_has_a_floor() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == LEVEL.keys()
