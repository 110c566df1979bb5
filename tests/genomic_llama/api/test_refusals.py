"""What a caller in Python gets wrong: bounds, names, paths, letters, and nothing at all."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusal import refused

import genomic_llama as gl
from evaluation.limits import MOST
from genomic_llama.api.sequences import read_sequences

GENOME = {"c": "ACGTTGCAAGGCTTACGGTACATTGACC"}
DELETION = pd.DataFrame({"contig": ["c"], "position": [3], "ref": ["GT"], "alt": ["G"]})


def test_counts_have_the_bounds_of_the_command_line(model: Any) -> None:
    for samples in (0, MOST + 1, 10**12):
        with refused("samples", names=f"samples={samples}"):
            gl.generate(model, "ACGT", samples=samples)
    for size in (0, MOST + 1):
        with refused("batch-size", names=f"batch_size={size}"):
            gl.score(model, "ACGT", batch_size=size)
    for null in (-1, MOST + 1):
        with refused("null", names=f"null={null}"):
            gl.variants(model, GENOME, DELETION, null=null)
    assert not [name for name in gl.variants(model, GENOME, DELETION) if name.startswith("null")]


def test_a_mutant_longer_than_every_sequence_is_refused(model: Any) -> None:
    two = {"short": "ACG", "long": "ACGTT"}
    for size in (5, 10**9):  # of all bases VCF has no record
        with refused("deletion-too-long", names=f"{size:,}", fix="4"):
            gl.mutate(model, two, deletions=(1, size))
    with refused("tile-too-long", names="1,000,000,000", fix="5"):
        gl.mutate(model, two, tile=10**9)
    kinds = gl.mutate(model, two, deletions=(4,), tile=5)["kind"]
    assert kinds.value_counts().to_dict() == {"snv": 24, "tile": 2, "deletion": 2}


def test_prompts_of_one_name_are_refused(model: Any) -> None:
    for given in ([("p", "ACGT"), ("p", "TTTT")], pd.DataFrame({"name": ["p", "p"], "sequence": ["ACGT", "TTTT"]})):
        with refused("duplicate-name", names="'p'"):
            gl.generate(model, given)


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT], ids=str)
def test_a_cell_that_is_missing_is_refused_with_its_row(model: Any, missing: Any) -> None:
    given = {"name": ["a", "b"], "sequence": ["ACGT", "ACGT"]}
    for column, values in given.items():
        table = pd.DataFrame({**given, column: [values[0], missing]}, dtype=object)
        with refused("missing-cell", where="row 1 of the table", names=column):
            list(read_sequences(table))
    for column in ("contig", "ref", "alt"):
        table = pd.concat([DELETION, DELETION]).astype(object).reset_index(drop=True)
        table.loc[1, column] = missing
        with refused("missing-cell", where="row 1 of the table", names=column):
            gl.variants(model, GENOME, table)
    assert list(gl.variants(model, GENOME, DELETION.assign(id=[missing]))["id"]) == ["."]
    assert [one.name for one in read_sequences([(missing, "ACGT")])] == ["sequence1"]


def test_a_column_that_comes_twice_is_refused(model: Any) -> None:
    for twice in ("sequence", "name"):
        table = pd.DataFrame([["a", "ACGT", "ACGT"]], columns=["name", "sequence", twice])
        with refused("column-twice", names=repr(twice)):
            list(read_sequences(table))
    levels = pd.DataFrame([["ACGT"]], columns=pd.MultiIndex.from_tuples([("sequence", "eq")]))
    with refused("column-twice", names="'sequence'"):
        list(read_sequences(levels))
    for twice in ("ref", "REF"):
        table = DELETION.copy()
        table.insert(0, twice, "A", allow_duplicates=True)
        with refused("column-twice", names="'ref'"):
            gl.variants(model, GENOME, table)


def test_what_cannot_be_a_path_is_refused(model: Any, directory: Path) -> None:
    for path in ("", "x" * 300, "a\0b"):
        calls: dict[str, Callable[[], object]] = {
            "model": partial(gl.load_model, path),
            "adapter": partial(gl.load_model, directory, adapter=path),
            "source": partial(gl.convert, path, "never", to="hf"),  # type: ignore[arg-type]
            "sources[0]": partial(gl.prepare, [path], "never", None),  # type: ignore[list-item, arg-type]
            "variants": partial(gl.variants, model, GENOME, path),
            "genome": partial(gl.variants, model, path, DELETION),
        }
        for name, call in calls.items():
            with refused("not-a-path", where=name):
                call()
    for path in ("x" * 300, "a\0b", "a\ud800"):
        with refused("not-a-path"):
            gl.score(model, Path(path))
    with refused("not-a-path", where="genome", fix="dict"):
        gl.variants(model, "ACGT" * 100, DELETION)
    with refused("missing-file", where="ACGT", fix="dict"):
        gl.variants(model, "ACGT", DELETION)


def test_a_letter_is_quoted_as_it_was_written(model: Any) -> None:
    for given in ("ACGÜ", "ACGÜ".encode()):
        with refused("not-dna", names="'Ü'"):
            gl.score(model, given)
    with refused("not-dna", names="'éZ'"):
        gl.generate(model, "AéCZZé")
    with refused("not-dna", names=repr("\udcff")):
        gl.score(model, b"AC\xff")
    for text, kind in (("|d__Bü|ACGT", "tag-not-printable"), ("|d__B|Aü", "not-nucleotides")):
        with refused(kind, names="'ü'"):
            gl.score(model, text)
    with refused("alphabet", names="'ü'"):
        gl.generate(model, "ACGT", alphabet="ü")


def test_nothing_at_all_is_refused(model: Any) -> None:
    with refused("no-base-to-score"):
        gl.score(model, [])
    for pooling in ("mean", "none"):
        with refused("no-sequences", where="sequences"):
            gl.embed(model, [], pooling=pooling)  # type: ignore[call-overload]
    with refused("no-sequences", where="sequences"):
        gl.mutate(model, [])
    with refused("no-sequences", where="regions"):
        gl.mutate(model, "ACGT", regions=[])
    with refused("no-variants", where="variants"):
        gl.variants(model, GENOME, DELETION.iloc[:0])
