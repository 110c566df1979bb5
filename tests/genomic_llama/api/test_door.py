"""The door of the API: wrong types are refused by name, and errors name settings as Python has them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusal import refused

import genomic_llama as gl

ROOT = Path(__file__).parents[3]
GENOME = {"c": "ACGTTGCAAGGCTTACGGTACATTGACCATGACCGATTTACGACGGGGA"}
TABLE = pd.DataFrame({"contig": ["c"], "position": [3], "ref": ["G"], "alt": ["A"]})

GIVEN: dict[str, tuple[Any, ...]] = {
    "score": ("ACGT",), "embed": ("ACGT",), "generate": ("ACGT",), "predict": ("ACGT",), "mutate": (GENOME,),
    "variants": (GENOME, TABLE),
}  # fmt: skip
WRONG: list[tuple[str, str, Any]] = [
    ("score", "context_length", 2.5), ("score", "acgt_only", "yes"), ("score", "strand", 1),
    ("score", "batch_size", True), ("score", "progress", None), ("embed", "layer", "last"),
    ("embed", "pooling", None), ("embed", "stride", [1]), ("variants", "window", 8.0), ("variants", "distances", 1),
    ("variants", "null", None), ("mutate", "deletions", 3), ("mutate", "deletions", [1.5]),
    ("mutate", "deletions", "12"), ("mutate", "tile", "3"), ("generate", "length", 2.5), ("generate", "gc", 0.5),
    ("generate", "gc", (0.4,)), ("generate", "gc", (0.1, 0.2, 0.3)), ("generate", "gc", "0.4-0.6"),
    ("generate", "temperature", "hot"), ("generate", "forbid", [b"GA"]), ("generate", "alphabet", ["A"]),
    ("generate", "seed", 1.0), ("predict", "calibrated", "no"), ("predict", "truncate", 0),
    ("predict", "batch_size", None),
]  # fmt: skip


@pytest.mark.parametrize(("function", "name", "value"), WRONG)
def test_a_value_of_the_wrong_type_is_refused_by_its_name(model: Any, function: str, name: str, value: Any) -> None:
    with refused("wrong-type") as caught:
        getattr(gl, function)(model, *GIVEN[function], **{name: value})
    assert str(caught.value.where).partition("[")[0] == name
    assert caught.value.fix.startswith("Give ")


def test_a_model_is_one_that_was_loaded(directory: Path) -> None:
    for function, given in GIVEN.items():
        with refused("not-a-model", where="model", fix="load_model"):
            getattr(gl, function)(directory, *given)
    for name, value in {"model": 3, "dtype": np.float32, "adapter": ["a"]}.items():
        with refused("wrong-type", where=name):
            gl.load_model(**{"model": directory, name: value})
    with pytest.raises(TypeError, match=re.escape("score() got an unexpected keyword argument 'stand'")):
        gl.score(directory, "ACGT", stand="both")  # type: ignore[call-arg]
    with refused("device", names="[]"):
        gl.load_model(directory, device=[])  # type: ignore[arg-type]


def test_regions_are_whole_numbers_of_a_name(model: Any) -> None:
    for region in (("c", 0.5, 3), ("c", 0, "3"), (["c"], 0, 3)):
        with refused("wrong-type", where="regions[0]"):
            gl.mutate(model, GENOME, regions=[region])  # type: ignore[list-item]
    with refused("not-a-region", where="regions", names="5"):
        gl.mutate(model, GENOME, regions=5)  # type: ignore[arg-type]


def test_commands_as_functions_have_the_same_door(directory: Path, tmp_path: Path) -> None:
    with refused("wrong-type", where="destination"):
        gl.convert(directory, 3, to="nemo")  # type: ignore[arg-type]
    with refused("wrong-type", where="gpus"):
        gl.plan("llama3_8b_genomic", gpus=1.5)  # type: ignore[arg-type]
    with refused("wrong-type", where="settings", fix="Settings"):
        gl.prepare([tmp_path], tmp_path / "corpus", {})  # type: ignore[arg-type]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "conversion.json").touch()
    with refused("output-exists", fix="overwrite=True"):
        gl.convert(directory, tmp_path / "out", to="nemo")
    assert gl.convert is gl.convert


def test_numbers_and_lists_of_other_libraries_are_taken(model: Any) -> None:
    import torch

    plain = gl.generate(model, "ACGT", length=4, seed=1, gc=(0.0, 1.0), forbid=["GA", "CC"])
    same = gl.generate(
        model, "ACGT", length=np.int64(4), seed=torch.tensor(1), gc=np.array([0.0, 1.0]), forbid=np.array(["GA", "CC"])
    )  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(plain, same)
    made = gl.mutate(model, GENOME, regions=[("c", np.int64(10), np.int32(14))], deletions=np.array([2]))  # type: ignore[arg-type]
    assert list(made["kind"]).count("deletion") == 3


def test_a_fix_names_a_parameter_of_the_function(model: Any) -> None:
    with refused("prompt-too-long", fix="Give length=20 or less."):
        gl.generate(model, "ACGT", length=30)
    with refused("context-length", fix="context_length=24"):
        gl.score(model, "ACGT", context_length=25)
    with refused("greedy", names="top_k", fix="temperature"):
        gl.generate(model, "ACGT", length=4, temperature=0, top_k=3)
    with refused("gc", fix="gc=(0.4, 0.6)"):
        gl.generate(model, "ACGT", length=4, gc=(0.6, 0.4))
    with refused("window", fix="window=24"):
        gl.variants(model, GENOME, TABLE, window=25)


COMMANDS_ALONE = (
    "foundation/spelling.py",
    "request.py",
    "vllm.py",
    "corpus/merge.py",
    "opengenome2.py",
    "proposal.py",
    "launch/planning/commands.py",
)
"""`option` itself, and modules that no function of the API comes to."""
FOLDERS = ("conversion", "corpus", "foundation", "genomic_llama/api", "launch/planning", *(
    f"evaluation/{name}" for name in
    ("embedding", "generation", "labelled", "likelihood", "mutation", "prediction", "variants")
))  # fmt: skip


def test_no_message_below_both_doors_spells_an_option() -> None:
    """`foundation.spelling.option` does, as the caller writes it. A command to be typed is between backticks."""
    found = [
        (path.relative_to(ROOT).as_posix(), text)
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.as_posix().endswith(COMMANDS_ALONE)
        for text in _messages(ast.parse(path.read_text("utf-8")))
        if re.search(r"(?<![\w-])--[a-z]", re.sub(r"`[^`]*`", "", text))
    ]
    programs = ("nvidia-smi", "zstd", "var(--")  # and CSS
    spelt = [one for one in found if not any(program in one[1] for program in programs)]
    assert not spelt, f"write option('name') of foundation.spelling: {spelt}"


def _messages(tree: ast.AST) -> Iterator[str]:
    """Texts of a module without its docstrings; the literal parts of an f-string are one."""
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented | inside:
            yield node.value
