"""A model card for a Hugging Face export: what the model is, what it was trained on, and what was measured."""

from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture, read_architecture
from corpus.manifest import Manifest, read_manifest
from corpus.source import Source
from corpus.splits.split import split_of_source
from evaluation.baselines.baseline import TRAINING_SPLIT, Baselines
from evaluation.likelihood.score import Score
from evaluation.report.run_log import RunLog
from foundation.errors import InputError
from foundation.pages.page import render_text
from foundation.pages.quantities import duration, exact, short

SHOWN_SOURCES = 20


def model_card(
    model: Path, architecture: LlamaArchitecture, *, log: RunLog, corpus: Path, score: Score, baselines: Baselines
) -> str:
    """Markdown with the front matter of a model hub, about the model that `find_model` found.

    Errors: `InputError` where the corpus's manifest cannot be read.
    """
    values = _values(log.until(score.identity.step), read_manifest(corpus), score, baselines, model, architecture)
    return render_text(Path(__file__).parent / "templates" / "model_card.md.j2", values)


def find_model(score: Score, score_file: Path, card: Path) -> tuple[Path, LlamaArchitecture]:
    """The directory of the model that was scored, and its architecture.

    A relative path begins where `score` was run. Where it leads nowhere from here, it is tried from the directories
    above `score_file`, and then the directory of the card is, if its model has as many parameters.
    Errors: `InputError` naming `score_file`.
    """
    given = Path(score.model)
    if (given / "config.json").is_file():
        return given.resolve(), read_architecture(given.resolve())
    above = [] if given.is_absolute() else [folder / given for folder in score_file.resolve().parents]
    for place in [*above, card.resolve().parent]:
        if (place / "config.json").is_file():
            architecture = read_architecture(place.resolve())
            if architecture.parameters == score.parameters:
                return place.resolve(), architecture
    relative = "" if given.is_absolute() else "a relative path, and "
    problem = f"its model is {score.model}, {relative}no directory with a config.json"
    fix = "Run report where score was run, or write the card into the directory of the model."
    raise InputError(problem, where=score_file, fix=fix, kind="score-model-gone")


def _values(
    log: RunLog, manifest: Manifest, score: Score, baselines: Baselines, model: Path, architecture: LlamaArchitecture
) -> dict[str, Any]:
    training = manifest.split(TRAINING_SPLIT)
    uses = [(source, _trained_on(source, manifest)) for source in manifest.sources]
    trained = [(source, use) for source, use in uses if use]
    held_out = [_code(Path(source.path).name) for source, use in uses if not use]
    return {
        "name": _plain(model.name),
        "architecture": architecture,
        "parameters": exact(score.parameters),
        "short_parameters": short(score.parameters),
        "steps": exact(log.steps[-1].step),
        "tokens": short(log.tokens),
        "time": duration(log.seconds),
        "training_bases": exact(training.bases) if training else "0",
        "sources": [_source_row(source, use) for source, use in trained[:SHOWN_SOURCES]],
        "hidden": _more(len(trained)),
        "held_out_sources": held_out[:SHOWN_SOURCES],
        "hidden_held_out": _more(len(held_out)),
        "held_out": _code(score.split or Path(score.source).name),
        "bits": f"{score.bits_per_base:.4f}",
        "perplexity": f"{score.perplexity:.3f}",
        "bases": exact(score.bases_scored),
        "score": score,
        "best": baselines.best,
        "longest": baselines.scores[-1].order,
        "best_bits": f"{baselines.best.bits_per_base:.4f}",
        "better": score.bits_per_base < baselines.best.bits_per_base,
        "lineage": _plain_line(log.lineage.sentence),
        "run": log.lineage.run if score.identity.run else None,
        "weights": score.identity.weights,
        "config": log.config,
    }


def _trained_on(source: Source, manifest: Manifest) -> str:
    """How much of a source the model was trained on; "" for nothing of it."""
    if source.content is not None:
        trained = source.content.splits.get(TRAINING_SPLIT, 0)
        return (
            ""
            if not trained
            else "all"
            if trained == source.bases
            else f"{min(99.9, 100 * trained / source.bases):.1f}%"
        )
    split = split_of_source(manifest.settings.split, Path(source.path))
    return "a part" if split is None else "all" if split == TRAINING_SPLIT else ""


def _source_row(source: Source, use: str) -> tuple[str, str, str, str]:
    """Name, bases, how much was trained on, and checksum."""
    return _code(Path(source.path).name), exact(source.bases), use, source.sha256


def _more(count: int) -> str:
    return exact(count - SHOWN_SOURCES) if count > SHOWN_SOURCES else ""


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._- " else "_" for letter in text)


def _plain_line(text: str) -> str:
    """One line in which no name is taken for markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|!" else letter for letter in " ".join(text.split()))


def _code(text: str) -> str:
    """A code span: no name of a file is taken for markup."""
    return f"`{text.replace('`', chr(39)).replace(chr(10), ' ')}`"
