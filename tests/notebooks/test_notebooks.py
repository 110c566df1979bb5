"""The notebooks run from top to bottom, in a folder as `make demo` leaves it; what they show of themselves is small."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_llama import save_tiny_llama

from corpus.synthetic import write_synthetic_genome
from genomic_llama import prepare
from scripts.site import notebook_page

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LAST = {
    "1_train_and_look": "best chain ",
    "2_variants_and_mutations": "scored",
    "3_embeddings_and_probes": "by layer: [",
}
"""What the last text that each prints holds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from corpus.settings import Settings
    from corpus.splits.rule import SplitRule

    demo = tmp_path_factory.mktemp("notebooks") / "demo"
    save_tiny_llama(demo / "model", positions=256)
    write_synthetic_genome(demo / "genome.fa", contigs=10, contig_length=6400)
    split = SplitRule(validation_fraction=0.3)
    prepare([demo / "genome.fa"], demo / "corpus", Settings(split=split, segment_length=3200))
    (demo / "run").mkdir()
    lines = [{"step": 1, "bits_per_base": 8.0}, {"step": 2, "bits_per_base": 2.0}]
    lines.append({"step": 2, "validation_bits_per_base": 1.9})
    (demo / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return demo.parent


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(
    notebook: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    names: dict[str, object] = {}
    for cell in cells(notebook):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(notebook), "exec"), names)
    assert LAST[notebook.stem] in capsys.readouterr().out


def test_are_small_and_show_what_they_drew() -> None:
    assert {notebook.stem for notebook in NOTEBOOKS} == set(LAST)
    for notebook in NOTEBOOKS:
        assert notebook.stat().st_size < 150_000
        code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
        drawn = [cell for cell in code if any("image/png" in output.get("data", {}) for output in cell["outputs"])]
        assert len(drawn) == sum("plt.show()" in "".join(cell["source"]) for cell in code) > 1, notebook


def test_pages_of_the_site_show_code_and_pictures() -> None:
    for notebook in NOTEBOOKS:
        page = notebook_page(json.loads(notebook.read_text(encoding="utf-8")))
        code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
        assert page.startswith("# ")
        assert page.count("```python\n") == len(code)
        assert page.count("](data:image/png;base64,") == sum("plt.show()" in "".join(cell["source"]) for cell in code)
