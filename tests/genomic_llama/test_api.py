"""`import genomic_llama`: quick, and each name of its API is there."""

import subprocess
import sys

import genomic_llama


def test_the_import_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "numba", "pyarrow", "yaml", "typer"}
    code = f"import sys, genomic_llama; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_every_name_is_a_function() -> None:
    assert genomic_llama.__all__ == sorted(genomic_llama._PLACES)
    for name in genomic_llama.__all__:
        assert callable(getattr(genomic_llama, name)), name
