"""Hooks of mkdocs for `make docs`: folders in the navigation, links that leave docs/, titles of blocks, notebooks."""

import json
import re
from pathlib import Path
from typing import Any

_LINK_OUT = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)[^)\s]*\)")
_NEEDS = re.compile(r"^( *```(?:sh|console))\n *(?:\$ )?# needs (.+)\n", re.MULTILINE)


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


def on_files(files: Any, *, config: Any) -> Any:
    """Add a page for each notebook, as it was saved: notebooks/NAME.ipynb becomes notebooks/NAME.md of the site."""
    from mkdocs.structure.files import File

    for notebook in sorted((Path(config["docs_dir"]).parent / "notebooks").glob("*.ipynb")):
        page = notebook_page(json.loads(notebook.read_text(encoding="utf-8")))
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=page))
    return files


def notebook_page(notebook: dict[str, Any]) -> str:
    """The cells of a notebook as Markdown, with the text and the pictures that they left."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                parts.append(f"![](data:image/png;base64,{''.join(picture).strip()})")
            elif text := "".join(output.get("text", ())).rstrip():
                parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Titles for the blocks that need a GPU or the like; paths in place of links to files outside docs/.

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

    return _LINK_OUT.sub(shown, titled(markdown))


def titled(markdown: str) -> str:
    """The first line `# needs X` of a shell block as the block's title."""
    return _NEEDS.sub(r'\1 title="Needs \2"\n', markdown)
