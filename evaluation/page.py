"""The pages: one look, light and dark, self-contained: no script, no font, nothing from a network."""

from pathlib import Path
from typing import Any

from conduct.atomic import atomic_file


def write_html(path: Path, template: str, **values: Any) -> None:
    """Render a template of this folder to `path`, whole or not at all. Texts are escaped; figures are `Markup`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    with atomic_file(path) as temporary:
        temporary.write_text(environment.get_template(template).render(values), encoding="utf-8")
