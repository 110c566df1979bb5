"""What mkdocs calls while `make docs` builds the site: folders in the navigation, and links that leave docs/."""

import re
from pathlib import Path
from typing import Any

_LINK_OUT = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)[^)\s]*\)")


def on_config(config: Any) -> Any:
    """Replace each `folder/*.md` of the navigation by its pages, in the order of their names."""
    docs = Path(config["docs_dir"])
    config["nav"] = _expanded(config["nav"], docs)
    return config


def _expanded(entries: list[Any], docs: Path) -> list[Any]:
    pages: list[Any] = []
    for entry in entries:
        if isinstance(entry, str) and "*" in entry:
            pages += sorted(str(page.relative_to(docs)) for page in docs.glob(entry))
        elif isinstance(entry, dict):
            pages.append({name: _expanded(of, docs) if isinstance(of, list) else of for name, of in entry.items()})
        else:
            pages.append(entry)
    return pages


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Show a link to a file outside docs/ as the file's path, since the site does not hold it.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    docs = Path(config["docs_dir"]).resolve()
    source = docs / page.file.src_uri

    def shown(link: re.Match[str]) -> str:
        target = (source.parent / link[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(f"{source}: the link {link[2]} leads to no file")
        return link[0] if target.is_relative_to(docs) else f"{link[1]} (`{target.relative_to(docs.parent)}`)"

    return _LINK_OUT.sub(shown, markdown)
