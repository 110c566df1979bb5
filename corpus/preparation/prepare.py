"""FASTA files to a corpus: one folder with `manifest.json` and a Megatron indexed dataset for each split.

A document is a record, or a segment of one: its bytes as they are (a token is a byte, case kept), then EOS.
"""

import contextlib
import hashlib
import platform
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from conduct.atomic import atomic_directory
from conduct.errors import InputError
from conduct.progress import Advance, progress_bar
from corpus.composition import Composition
from corpus.manifest import FILE_NAME, FORMAT_VERSION, Manifest, Settings, Source, Split, stored_file, write_manifest
from corpus.preparation.outcome import check_output, check_splits
from corpus.preparation.record_names import RecordNames
from corpus.preparation.split import SplitName, SplitRule
from corpus.readers.fasta import Record, read_fasta
from corpus.store.index_format import bin_path, idx_path
from corpus.store.index_writer import IndexWriter
from tokenizer.vocabulary import EOS

_EOS = bytes([EOS.id])
_RECORDED = ("genomic-llama", "numpy")


def prepare(
    sources: Sequence[Path],
    out: Path,
    *,
    validation_fraction: float = 0.05,
    test_fraction: float = 0.0,
    seed: int = 0,
    segment_length: int | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Read `sources` (FASTA, plain or gzip) and write the corpus `out`, whole or not at all.

    The fractions are shares of the documents, drawn by a hash of the sequence. `segment_length`: contigs longer than
    this many bases are cut into documents of their own; without it a contig is one document.
    Errors: `InputError` for bad input, a name used twice, a split without documents, or a full disk.
    """
    sources, out = [Path(source) for source in sources], Path(out)
    rule = SplitRule(validation_fraction=validation_fraction, test_fraction=test_fraction, seed=seed)
    if segment_length is not None and segment_length < 1:
        raise InputError(f"is {segment_length}", where="segment_length", fix="Give a number of bases above 0.")
    check_output(sources, out)
    with atomic_directory(out, mark=FILE_NAME, overwrite=overwrite) as folder:
        with contextlib.ExitStack() as stack:
            writers = {name: stack.enter_context(_SplitWriter(folder / name)) for name in rule.names()}
            rows = _read_all(sources, writers, rule, segment_length)
        check_splits({name: writer.documents for name, writer in writers.items()}, rule, out)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions={name: _version(name) for name in _RECORDED} | {"python": platform.python_version()},
            settings=Settings(
                validation_fraction=validation_fraction,
                test_fraction=test_fraction,
                seed=seed,
                segment_length=segment_length,
            ),
            sources=tuple(rows),
            splits=tuple(writer.row(name) for name, writer in writers.items()),
        )
        write_manifest(manifest, folder)
    return manifest


class _SplitWriter(IndexWriter):
    """An `IndexWriter` that knows what it wrote."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(prefix)
        self._composition = Composition()

    def add(self, sequence: bytes | memoryview) -> None:
        self.add_document(sequence, _EOS)
        self._composition.add(sequence)

    def row(self, name: str) -> Split:
        return Split(
            name=name,
            documents=self.documents,
            tokens=self.tokens,
            bases=self._composition.total(),
            composition=self._composition.by_letter(),
            soft_masked=self._composition.soft_masked(),
            files=(stored_file(bin_path(self.prefix)), stored_file(idx_path(self.prefix))),
        )


def _read_all(
    sources: Sequence[Path], writers: dict[SplitName, _SplitWriter], rule: SplitRule, segment_length: int | None
) -> list[Source]:
    names = RecordNames()
    total = sum(source.stat().st_size for source in sources if source.is_file())
    with progress_bar("prepare", total=total, unit="B") as advance:
        return [_read_source(source, names, writers, rule, segment_length, advance) for source in sources]


def _read_source(
    source: Path,
    names: RecordNames,
    writers: dict[SplitName, _SplitWriter],
    rule: SplitRule,
    segment_length: int | None,
    advance: Advance,
) -> Source:
    digest, size, bases = hashlib.sha256(), 0, 0

    def observe(block: memoryview) -> None:
        nonlocal size
        size += len(block)
        digest.update(block)
        advance(len(block))

    names.start(source)
    for record in read_fasta(source, observe=observe):
        names.add(record.name)
        bases += len(record.sequence)
        for segment in _segments(record, segment_length):
            writers[rule.assign(segment)].add(segment)
    return Source(path=str(source), bytes=size, sha256=digest.hexdigest(), records=names.records, bases=bases)


def _segments(record: Record, length: int | None) -> Iterator[memoryview]:
    view = memoryview(record.sequence)
    step = length or len(view)
    return (view[start : start + step] for start in range(0, len(view), step))


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
