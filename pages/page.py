"""Pages that need nothing: one HTML file, without a script, a font or anything from a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conduct.atomic import atomic_file


def write_page(template: Path, values: Mapping[str, Any], out: Path) -> None:
    """Fill `template` (Jinja2, which may include `style.css` of this folder) with `values` and write it to `out`.

    Values are escaped unless they are `Markup`; a name that the template has and `values` lacks is an error.
    """
    with atomic_file(out) as temporary:
        temporary.write_text(_render(template, values, autoescape=True), encoding="utf-8")


def write_text(template: Path, values: Mapping[str, Any], out: Path) -> None:
    """As `write_page`, for text that is not HTML: nothing is escaped."""
    with atomic_file(out) as temporary:
        temporary.write_text(_render(template, values, autoescape=False), encoding="utf-8")


def _render(template: Path, values: Mapping[str, Any], *, autoescape: bool) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)
