"""docs/api.md is what the docstrings say, and says something of every parameter."""

import inspect
from pathlib import Path

import genomic_llama
from scripts.api_page import FUNCTIONS, api_page

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date() -> None:
    """If not: python -m scripts.api_page > docs/api.md"""
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == api_page()


def test_every_parameter_is_documented() -> None:
    assert set(FUNCTIONS) <= set(genomic_llama.__all__)
    for name in FUNCTIONS:
        function = getattr(genomic_llama, name)
        text = inspect.getdoc(function) or ""
        assert "Raises `InputError`" in text, name
        missing = [one for one in inspect.signature(function).parameters if f"`{one}`" not in text and one != "model"]
        assert not missing, (name, missing)
