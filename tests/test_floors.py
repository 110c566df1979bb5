"""Layers: a folder imports only from folders before it, and imports inside a folder are acyclic."""

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = (
    "foundation",
    "tokenizer",
    "configs",
    "corpus",
    "conversion",
    "evaluation",
    "training",
    "launch",
    "recipes",
    "genomic_llama",
)
NEMO = {"nemo", "nemo_run", "megatron", "lightning"}
KNOW_NEMO = {"tokenizer/nucleotide.py", "launch/preflight/read_back.py", "launch/submit/executors.py"}
"""Files outside `training/` and `recipes/` that import NeMo; those two folders import it throughout."""


def test_imports_run_down() -> None:
    upward = {(one, other) for one, other in arrows() if level(other) > level(one)}
    assert not upward


def test_inside_each_folder_no_import_runs_round() -> None:
    graphs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one, other in arrows():
        for package, room, target in rooms(one, other):
            graphs[package][room].add(target)
    for package, graph in graphs.items():
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            raise AssertionError(f"{package}: {' -> '.join(error.args[1])}") from None


def test_what_is_not_training_knows_no_nemo() -> None:
    pure = [path for path in modules().values() if path.split("/")[0] not in ("training", "recipes")]
    knowing = {path for path in pure if {name.split(".")[0] for name in imports(path)} & NEMO}
    assert knowing == KNOW_NEMO


def test_every_folder_with_code_has_a_floor() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"scripts"} == set(FLOORS)


def test_nothing_calls_what_a_configuration_names() -> None:
    """CVE-2026-68508 is in `hydra.utils.instantiate`; docs/security.md says that nothing here calls it."""
    trees = {path: ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))) for path in modules().values()}
    names = {path: {getattr(node, "attr", getattr(node, "id", "")) for node in nodes} for path, nodes in trees.items()}
    assert not [path for path in modules().values() if {"instantiate", "get_class", "get_method"} & names[path]]
    assert not [path for path in modules().values() if any("hydra.utils" in name for name in imports(path))]


def level(module: str) -> int:
    return FLOORS.index(module.split(".")[0])


@cache
def modules() -> dict[str, str]:
    """Our modules, and their paths."""
    paths = [path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): str(path) for path in sorted(paths)}


@cache
def arrows() -> set[tuple[str, str]]:
    """Pairs of our modules of which the first imports the second."""
    pairs = set()
    for module, path in modules().items():
        for name in imports(path):
            while name and name not in modules():
                name = name.rpartition(".")[0]
            if name and name != module:
                pairs.add((module, name))
    return pairs


def imports(path: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(one: str, other: str) -> Iterator[tuple[str, str, str]]:
    """Each package that holds both modules, with the part of it that holds either, where these differ."""
    for depth, (room, target) in enumerate(zip(one.split("."), other.split("."), strict=False)):
        if room != target:
            if depth:
                yield ".".join(one.split(".")[:depth]), room, target
            return
