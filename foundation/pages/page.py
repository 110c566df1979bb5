"""Pages that need nothing: one HTML file, without a script, a font or anything from a network."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from foundation.atomic import atomic_file
from foundation.disk import sync
from foundation.terminal import as_utf8


def render_page(template: Path, values: Mapping[str, Any]) -> str:
    """`template` (Jinja2, which may include `style.css` of this folder) filled with `values`.

    Values are escaped unless they are `Markup`; a name that the template has and `values` lacks is an error.
    """
    return _render(template, values, autoescape=True)


def render_text(template: Path, values: Mapping[str, Any]) -> str:
    """As `render_page`, for text that is not HTML: nothing is escaped."""
    return _render(template, values, autoescape=False)


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write each text to its path: all are on disk, under other names, before the first takes its own."""
    with ExitStack() as stack:
        for path, text in texts.items():
            temporary = stack.enter_context(atomic_file(path))
            temporary.write_bytes(as_utf8(text))
            sync(temporary)


def _render(template: Path, values: Mapping[str, Any], *, autoescape: bool) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)
