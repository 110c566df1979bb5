"""The corpora of a run: there, whole by their sizes, and of splits that it needs."""

from collections.abc import Iterator
from pathlib import Path

from configs.schema import TrainConfig
from corpus import synthetic
from corpus.manifest import Manifest, has_own_checksum, verify
from foundation.errors import InputError
from foundation.pages.quantities import plural
from launch.preflight.finding import Finding, broken, ok, warning
from training.data.sources import Source, parse_sources


def check_corpora(config: TrainConfig) -> None:
    """Refuse a corpus that is not there, or whose files are not those of its manifest by size. Errors: `InputError`."""
    for source in parse_sources(config.dataset.corpus) if config.head.kind == "none" else ():
        if not _prepared_at_start(source):
            _verify(source, config)


def corpus_findings(config: TrainConfig) -> Iterator[Finding]:
    """The same, with what each corpus holds."""
    if config.head.kind != "none":
        yield ok("corpus", f"none: labelled sequences of {config.head.train}, all of them read and checked")
        return
    for source in parse_sources(config.dataset.corpus):
        if _prepared_at_start(source):
            yield ok("corpus", "the built-in corpus, prepared at the start of the run")
            continue
        try:
            manifest = _verify(source, config)
        except (InputError, OSError) as error:
            yield broken("corpus", str(error), "Prepare it, or copy it here again.")
            continue
        bases = sum(split.bases for split in manifest.splits)
        yield ok("corpus", f"{source.corpus}: {plural(bases, 'base')}; all file sizes agree with the manifest")
        if not has_own_checksum(source.corpus):
            found = f"the manifest of {source.corpus} has no checksum of its own"
            yield warning("corpus", found, "An older version wrote it. Some damage would not be noticed.")


def _verify(source: Source, config: TrainConfig) -> Manifest:
    """The manifest of a corpus that is whole by its sizes, and has a base to learn from. Errors: `InputError`."""
    manifest = verify(source.corpus)
    train = manifest.split("train")
    if train and config.dataset.soft_mask_weight == 0 and train.soft_masked == train.bases:
        problem = "every base of train is lower-case, and dataset.soft_mask_weight=0: only the ends would be learned"
        fix = "Raise dataset.soft_mask_weight, or prepare the sources in upper case."
        raise InputError(problem, where=source.corpus, fix=fix, kind="no-trainable-base")
    return manifest


def _prepared_at_start(source: Source) -> bool:
    return source.corpus == Path(synthetic.CORPUS) and not source.corpus.exists()
