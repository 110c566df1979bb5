"""`prepare`: every base arrives, the result depends on the sequences alone, and nothing is left of a failure."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from corpora import prepare
from refusal import refused

from corpus.exclusion.rule import ExclusionRule
from corpus.manifest import verify
from corpus.preparation.prepare import prepare as prepare_sources
from corpus.read import documents_of
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from tokenizer.sequence import reverse_complement

WriteFasta = Callable[..., Path]


def documents(corpus: Path) -> dict[str, list[bytes]]:
    splits = [split.name for split in verify(corpus, full=True).splits]
    return {split: [one.ids.tobytes() for one in documents_of(corpus, split)] for split in splits}


def every_document(corpus: Path) -> list[bytes]:
    return [document for split in documents(corpus).values() for document in split]


def other(sequence: bytes) -> bytes:
    return reverse_complement(np.frombuffer(sequence, dtype=np.uint8)).tobytes()


def test_every_base_arrives(tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]) -> None:
    half = dict(list(contigs.items())[:20])
    rest = dict(list(contigs.items())[20:])
    second = write_fasta(rest, "b.fa")
    zipped = tmp_path / "b.fa.gz"
    zipped.write_bytes(gzip.compress(second.read_bytes()))
    manifest = prepare(
        [write_fasta(half, "a.fa"), zipped], tmp_path / "out", validation_fraction=0.2, test_fraction=0.2, seed=3
    )
    assert Counter(every_document(tmp_path / "out")) == Counter(contigs.values())
    assert [row.records for row in manifest.sources] == [20, 20]
    assert [row.bases for row in manifest.sources] == [sum(map(len, part.values())) for part in (half, rest)]
    assert manifest.sources[1].bytes == zipped.stat().st_size
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["manifest.json", *(f"{s}-00000.{e}" for s in ("train", "validation", "test") for e in ("bin", "idx", "names"))]
    )


def test_counts(tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]) -> None:
    manifest = prepare([write_fasta(contigs)], tmp_path / "out", validation_fraction=0.2)
    assert [split.name for split in manifest.splits] == ["train", "validation"]
    for split in manifest.splits:
        text = b"".join(documents(tmp_path / "out")[split.name])
        upper = text.upper().decode()
        letters = {letter: upper.count(letter) for letter in "ACGTN"}
        assert split.composition == letters | {"other": len(text) - sum(letters.values())}
        assert split.soft_masked == sum(letter in b"acgtn" for letter in text)
        assert split.bases == len(text)
        assert (
            split.tokens
            == split.bases + split.documents
            == (tmp_path / "out" / f"{split.name}-00000.bin").stat().st_size
        )


def test_composition_of_long_and_odd_sequences(tmp_path: Path, write_fasta: WriteFasta) -> None:
    records = {f"r{n}": b"acgtn" * n + b"G" for n in (0, 1, 300_001, 7, 210_000)}
    manifest = prepare([write_fasta(records)], tmp_path / "out", validation_fraction=0)
    assert manifest.splits[0].composition == {b: 510_009 + 5 * (b == "G") for b in "ACGTN"} | {"other": 0}
    assert manifest.splits[0].soft_masked == 5 * 510_009


def test_neither_order_nor_strand_nor_case_changes_the_split(
    tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]
) -> None:
    variants = {
        "forward": contigs,
        "backward": dict(reversed(contigs.items())),
        "other": {name: other(sequence) for name, sequence in contigs.items()},
        "upper": {name: sequence.upper() for name, sequence in contigs.items()},
    }
    validation = {}
    for name, records in variants.items():
        prepare([write_fasta(records, f"{name}.fa")], tmp_path / name, validation_fraction=0.3, seed=1)
        validation[name] = set(documents(tmp_path / name)["validation"])
    assert validation["forward"] == validation["backward"]
    assert validation["forward"] == {other(sequence) for sequence in validation["other"]}
    assert {sequence.upper() for sequence in validation["forward"]} == validation["upper"]


def test_segments(tmp_path: Path, write_fasta: WriteFasta) -> None:
    genome = bytes(np.random.default_rng(0).choice(list(b"ACGT"), 2050).astype(np.uint8))
    manifest = prepare([write_fasta({"one": genome})], tmp_path / "out", validation_fraction=0.3, segment_length=100)
    assert Counter(every_document(tmp_path / "out")) == Counter(
        [genome[start : start + 100] for start in range(0, 2050, 100)]
    )
    assert (manifest.sources[0].records, manifest.sources[0].bases) == (1, 2050)
    assert manifest.settings.segment_length == 100


def test_real_sequences(tmp_path: Path, real_fasta: list[Path]) -> None:
    manifest = prepare(real_fasta, tmp_path / "out", validation_fraction=0.1)
    assert sum(row.records for row in manifest.sources) == 68
    assert sum(split.bases for split in manifest.splits) == sum(row.bases for row in manifest.sources)
    assert len(every_document(tmp_path / "out")) == 68


def test_same_name_twice_in_a_file(tmp_path: Path, write_fasta: WriteFasta) -> None:
    genome = write_fasta({"x": b"ACGT", "y": b"GGGG", "z": b"ACC"})
    genome.write_bytes(genome.read_bytes() + b">y again\nAC\n")
    with refused("record-name-twice", where=f"{genome}, record 4 'y'", names="record 2"):
        prepare([genome], tmp_path / "out")
    assert leftovers(tmp_path) == []


def test_files_may_share_names(tmp_path: Path, write_fasta: WriteFasta) -> None:
    files = [write_fasta({"contig_1": letter * 9}, f"{n}.fa") for n, letter in enumerate((b"A", b"C"))]
    manifest = prepare(files, tmp_path / "out", validation_fraction=0)
    assert [source.records for source in manifest.sources] == [1, 1]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith((".fa", ".gz")))


@pytest.mark.parametrize(
    ("content", "kind", "record"),
    [
        (b"", "empty-file", ""),
        (b"@r\nA\n+\n", "fastq-quality-count", ", record 1 'r'"),
        (b">a\nACGT\n>p\nMKL\n", "not-nucleotides", ", record 2 'p'"),
        (b">a\nACGT\n>b\n", "no-sequence", ", record 2 'b'"),
    ],
)
def test_nothing_is_left_of_a_failure(
    tmp_path: Path, write_fasta: WriteFasta, content: bytes, kind: str, record: str
) -> None:
    good, bad = write_fasta({"g": b"ACGT" * 100}), tmp_path / "bad.fa"
    bad.write_bytes(content)
    with refused(kind, where=f"bad.fa{record}"):
        prepare([good, bad], tmp_path / "out")
    assert leftovers(tmp_path) == []


def test_names_to_hold_out_that_no_record_has(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever shards found the others."""
    sources = [write_fasta({f"r{n}": b"ACGT" * (n + 9)}, f"{n}.fa") for n in range(4)]
    listed = tmp_path / "held-out.txt"
    listed.write_text("r1\nr2.1\nr7\nr8\nNC_1.2\n")
    rule = SplitRule(validation_fraction=0, validation_list=listed)
    prepare_sources(sources, tmp_path / "out", Settings(split=rule), shard_bytes=50)
    assert "held-out.txt: 3 of 5 names match no record: NC_1.2, r7, r8\n" in capsys.readouterr().err


def test_names_to_leave_out_that_no_record_has(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    """A byte order mark is not part of the first."""
    sources = [write_fasta({f"r{n}": b"ACGT" * (n + 9)}, f"{n}.fa") for n in range(4)]
    listed = tmp_path / "out.txt"
    listed.write_bytes(b"\xef\xbb\xbfr1\r\nr7\r\n")
    rule = ExclusionRule(accessions=(listed,))
    split = SplitRule(validation_fraction=0)
    manifest = prepare_sources(sources, tmp_path / "out", Settings(split=split, exclusion=rule), shard_bytes=50)
    assert manifest.excluded == {"accession": 1}
    assert "out.txt: 1 of 2 names match no record: r7\n" in capsys.readouterr().err


def test_probable_mistakes_are_reported(
    tmp_path: Path, write_fasta: WriteFasta, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_fasta({"a": b"ACGUACGU", "b": b"GGCC" * 9}, "x.fa")
    copied = tmp_path / "copy.fa"
    copied.write_bytes(first.read_bytes())
    packed = first.with_name("x.fa.gz")
    packed.write_bytes(gzip.compress(first.read_bytes()))
    settings = Settings(split=SplitRule(validation_fraction=0))
    prepare_sources([first, copied, packed], tmp_path / "out", settings)
    said = capsys.readouterr().err
    assert f"warning: {copied} has the same records as {first}: the corpus contains them twice\n" in said
    assert f"warning: {packed} has the same records as {first}: the corpus contains them twice\n" in said
    assert "warning: 4.5% of the bases are not A, C, G, T or N" in said
    prepare_sources([write_fasta({"a": b"ACGTNacgtn"}, "y.fa"), first], tmp_path / "other", settings)
    assert "twice" not in capsys.readouterr().err


def test_a_rule_file_that_changes(tmp_path: Path, write_fasta: WriteFasta, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "held-out.txt"
    listed.write_text("a\n")

    class Engine:
        def run(self, tasks: Sequence[int], work: Callable[[int], None], on_done: Callable[[int], None]) -> None:
            for task in tasks:
                work(task)
            listed.write_text("b\n")

    settings = Settings(split=SplitRule(validation_fraction=0, validation_list=listed))
    source = write_fasta({"a": b"ACGT", "b": b"GGGT"})
    with refused("rule-file-changed", where="held-out.txt"):
        prepare_sources([source], tmp_path / "out", settings, engine=Engine())
    assert not (tmp_path / "out").exists()


def test_overwriting(tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]) -> None:
    genome, out = write_fasta(contigs), tmp_path / "out"
    prepare([genome], out, validation_fraction=0.2, test_fraction=0.2)
    with refused("output-exists", where="out"):
        prepare([genome], out)
    before = documents(out)
    with refused("missing-file", where="no.fa"):
        prepare([tmp_path / "no.fa"], out, overwrite=True)
    assert documents(out) == before
    prepare([genome], out, validation_fraction=0.2, overwrite=True)
    assert set(documents(out)) == {"train", "validation"}
    assert leftovers(tmp_path) == ["out"]


def test_never_replaces_what_is_no_corpus(tmp_path: Path, write_fasta: WriteFasta) -> None:
    genome = write_fasta({"a": b"ACGT"})
    with refused("output-holds-source", where=tmp_path, names="genome.fa"):
        prepare([genome], tmp_path, overwrite=True)
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("x")
    with refused("output-of-another-kind", where="thesis", names="'chapter.tex'"):
        prepare([genome], out, overwrite=True)
    with refused("output-is-a-mount", where="/proc"):
        prepare([genome], Path("/proc"), overwrite=True)
    with refused("no-source"):
        prepare([], tmp_path / "out")
    with refused("segment-length", where="segment_length"):
        prepare([genome], tmp_path / "out", segment_length=0)


def test_output_within_the_folder_of_the_sources(write_fasta: WriteFasta) -> None:
    genome = write_fasta({f"r{n}": b"ACGTTGCA" * (n + 1) for n in range(9)})
    prepare([genome], genome.parent / "deep" / "corpus", validation_fraction=0.3)
    assert genome.exists()


def test_a_full_disk_and_no_torch(tmp_path: Path, write_fasta: WriteFasta) -> None:
    """A process that may write 100 kB a file stands for a full disk; the first, smaller corpus still succeeds."""
    small = write_fasta({f"s{n}": b"ACGTTGCA" * (n + 1) for n in range(9)}, "small.fa")
    large = write_fasta({"large": b"ACGT" * 1_000_000}, "large.fa")
    code = """
import json, resource, sys
from pathlib import Path
from foundation.errors import InputError
from corpus.preparation.prepare import prepare
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
small, large, out = map(Path, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
prepare([small], out / "small", Settings(split=SplitRule(validation_fraction=0.3)))
try:
    prepare([large], out / "large", Settings(split=SplitRule(validation_fraction=0)))
except InputError as error:
    heavy = {"torch", "nemo", "megatron", "lightning", "transformers"} & set(sys.modules)
    print(json.dumps([str(error), sorted(heavy)]))
"""
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", code, str(small), str(large), str(out)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    message, heavy = json.loads(result.stdout)
    assert message.startswith(f"{out / 'large'}: cannot be written: a file is too large")
    assert heavy == []
    assert leftovers(out) == ["small"]
