"""What is fuzzed: every parser of a stranger's file, and the converters on a checkpoint with one file changed.

A target is called with the bytes of one file. It may return, or raise `InputError`; anything else is a failure.
"""

import contextlib
import gzip
import io
import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import fuzz_seeds as seeds
import zstandard
from malformed import CASES
from reading import megatron_index, rows

from configs.locate import CONFIGS
from conversion.adapters.peft_adapter import TENSORS
from conversion.adapters.peft_config import NAME as CONFIG
from conversion.convert import convert
from conversion.files.mapped_file import blocks
from conversion.formats import open_adapted, open_checkpoint
from conversion.megatron.common_state import read_common
from conversion.record import check_files, read_record
from conversion.verify import read_back
from corpus.card.page import read_card_text
from corpus.exclusion.accession_list import AccessionList
from corpus.exclusion.preset import read_preset
from corpus.exclusion.taxonomy import Taxonomy
from corpus.manifest import read_manifest
from corpus.read import documents_of
from corpus.readers.formats import Slice, detect_format, read_slice, slices
from corpus.settings import compose_settings
from corpus.source_format import Format
from corpus.streams.inputs import expand_inputs
from corpus.verify import verify_corpus
from evaluation.likelihood.bed import check_bed
from evaluation.likelihood.model import load_model
from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.score import read_score
from evaluation.probing.datasets import read_task
from evaluation.report.run_log import read_run_log
from evaluation.suite.config import read_suite
from evaluation.suite.result import read_evaluation
from evaluation.variants.alleles import SCORED, list_alleles
from evaluation.variants.labels import Labelling, check_labels
from evaluation.variants.vcf import read_vcf
from foundation.checksum import xxh3_128_of
from foundation.errors import InputError
from foundation.progress import no_progress
from foundation.terminal import as_utf8
from launch.submit.sites import read_site
from tokenizer.huggingface import validate_tokenizer

Call = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """`seeds`: whole files to begin with."""

    name: str
    seeds: list[bytes]
    call: Call


def targets(folder: Path) -> dict[str, Target]:
    """All of them; `folder` gets the whole files, and the changed ones."""
    seeds.write_seeds(folder)
    work = folder / "work"
    work.mkdir()
    found = [
        *(_reader(format, work) for format in Format if format is not Format.MEGATRON),
        _megatron_index(work),
        Target("compressed", _compressed(), lambda data: _read(work / "x", data, Format.FASTA)),
        *(_in_directory(folder, *place) for place in _CHECKPOINT_FILES),
        *(_adapter(folder, name) for name in (CONFIG, TENSORS)),
        *(_model_to_score(folder, kind) for kind in ("hf", "te")),
        _common_fields(_in_directory(folder, "trained", "weights/common.pt", _with_optimizer)),
        Target("common.pt", [(folder / "common.pt").read_bytes()], lambda data: _common(work, data)),
        *(_in_directory(folder, "corpus", name, _read_corpus) for name in ("manifest.json", "*.idx", "*.bin")),
        *_small_files(work),
        Target("names", [b"[/foo]\xff\x1b[31m\nerror: x", b"a.fa", b"@a", b"**/*"], lambda data: _name(work, data)),
    ]
    return {target.name: target for target in found}


def _whole(kind: Format) -> list[bytes]:
    """Of the table of malformed files, those that begin as this format does; bad ones are seeds too."""
    return [case.content for case in CASES if len(case.content) < 20_000 and _looks_like(kind, case.content)]


_STARTS = {
    Format.FASTA: b">", Format.FASTQ: b"@", Format.JSONL: b"{", Format.PARQUET: b"PAR1", Format.SHARDED_EDEN: b"SQLite",
    Format.TWOBIT: b"\x43\x27\x41\x1a",
}  # fmt: skip


def _looks_like(kind: Format, content: bytes) -> bool:
    return content.startswith(_STARTS[kind])


def _reader(format: Format, work: Path) -> Target:
    more = [seeds.parquet(), seeds.parquet(40, row_group_size=10, use_dictionary=False, compression="zstd")]
    found = _whole(format) + (more if format is Format.PARQUET else [])
    return Target(format.value, found, lambda data: _read(work / "x", data, format))


def _megatron_index(work: Path) -> Target:
    path = work / "indexed.bin"
    path.write_bytes(b"ACGT\0GG\0A")

    def call(data: bytes) -> None:
        path.with_suffix(".idx").write_bytes(data)
        _ignored(lambda: rows(read_slice(Slice(path=path, format=Format.MEGATRON), field=None, markup=False)))
        _ignored(lambda: slices(path, Format.MEGATRON, 3))

    return Target("megatron index", [megatron_index([5, 3, 1])], call)


def _read(path: Path, data: bytes, format: Format) -> None:
    path.write_bytes(data)
    _ignored(lambda: rows(read_slice(Slice(path=path, format=detect_format(path)), field=None, markup=False)))
    for part in slices(path, format, 50)[:20]:
        _ignored(lambda part=part: rows(read_slice(part, field=None, markup=bool(len(data) % 2))))  # type: ignore[misc]


def _ignored(call: Callable[[], object]) -> None:
    with contextlib.suppress(InputError):
        call()


def _compressed() -> list[bytes]:
    text = b">a\nACGTACGT\n>b\nGG\n" * 20
    blocked = [case.content for case in CASES if case.content.startswith(b"\x1f\x8b\x08\x04")][:4]
    return [gzip.compress(text), gzip.compress(text) * 2, zstandard.compress(text), *blocked]


def _checkpoint(directory: Path) -> None:
    """All of its weights, as a conversion reads them; without the progress bar, which takes longer."""
    checkpoint = open_checkpoint(directory)
    for weight in checkpoint.weights:
        for tensor in checkpoint.parts(weight):
            xxh3_128_of(blocks(tensor))


def _adapter(folder: Path, name: str) -> Target:
    """An adapter merged into its base."""

    def merge(directory: Path) -> None:
        merged = open_adapted(directory, open_checkpoint(folder / "hf"))
        for weight in merged.weights:
            merged.parts(weight)

    return _in_directory(folder, "adapter", name, merge)


def _with_optimizer(directory: Path) -> None:
    """All that `convert --optimizer` does."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        convert(directory, Path(folder) / "out", to="bridge", optimizer=True)


def _model_to_score(folder: Path, kind: str) -> Target:
    """The same with transformers: what the strict reader lets through becomes a model that computes."""
    target = _in_directory(folder, kind, "config.json", _loaded)
    return Target(f"model to score: {target.name}", target.seeds, target.call)


def _loaded(directory: Path) -> None:
    import torch

    model = load_model(directory, device="cpu")
    with torch.no_grad():
        assert model.model(torch.tensor([[65, 67, 71, 84]]), use_cache=False).last_hidden_state.shape[1] == 4


def _record(directory: Path) -> None:
    if record := read_record(directory):
        assert all(isinstance(problem, str) for problem in check_files(directory, record))
        read_back(open_checkpoint(directory), record.tensors, no_progress)


def _read_corpus(directory: Path) -> None:
    _ignored(lambda: verify_corpus(directory))
    for split in read_manifest(directory).splits:
        for _ in islice(documents_of(directory, split.name), 50):
            pass


_CHECKPOINT_FILES: tuple[tuple[str, str, Callable[[Path], None]], ...] = tuple(
    (kind, name, _record if name == "conversion.json" else _with_optimizer if kind == "trained" else _checkpoint)
    for kind, names in {
        "hf": ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "conversion.json"),
        "te": ("config.json",),
        "nemo": ("weights/.metadata", "weights/__0_0.distcp", "context/model.yaml", "conversion.json"),
        "trained": ("weights/.metadata", "weights/common.pt", "weights/__0_0.distcp"),
        "bridge": ("iter_*/run_config.yaml", "iter_*/.metadata", "latest_checkpointed_iteration.txt"),
    }.items()
    for name in names
)


def _in_directory(folder: Path, kind: str, name: str, use: Callable[[Path], None]) -> Target:
    """The directory `kind` in which the file `name` is another; the others are links to the same bytes."""
    pattern = sorted((folder / kind).rglob(name.split("/")[-1]))
    original = next(path for path in pattern if path.match(name))
    copy = folder / "work" / f"{kind}_{original.name}"
    changed = copy / original.relative_to(folder / kind)

    def call(data: bytes) -> None:
        if not copy.exists():
            for path in (folder / kind).rglob("*"):
                target = copy / path.relative_to(folder / kind)
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.is_file():
                    os.link(path, target)
        changed.unlink(missing_ok=True)
        changed.write_bytes(data)
        use(copy)

    more = seeds.HOSTILE_PICKLES if original.name == ".metadata" else []
    return Target(f"{kind}/{name}", [original.read_bytes(), *more], call)


def _common_fields(whole: Target) -> Target:
    """The fields of `common.pt`, from JSON, so that what changes is values and not the archive."""

    def call(data: bytes) -> None:
        try:
            pickled = pickle.dumps(json.loads(data), protocol=2)
        except (ValueError, RecursionError):
            return
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
        whole.call(content.getvalue())

    return Target("trained/fields of common.pt", [seeds.as_json(seeds.TRAINED)], call)


def _name(work: Path, data: bytes) -> None:
    """A name on a command line, of an input or in a message: one printable line."""
    name = os.fsdecode(data)
    assert str(InputError("x", where=name, fix=name, kind="x")).isprintable()
    as_utf8(name).decode()
    with contextlib.chdir(work):
        _ignored(lambda: expand_inputs([name]))


def _common(work: Path, data: bytes) -> None:
    (work / "common.pt").write_bytes(data)
    read_common(work / "common.pt", within=work)


def _small_files(work: Path) -> list[Target]:
    def small(name: str, content: list[bytes], use: Callable[[Path], object]) -> Target:
        path = work / name

        def call(data: bytes) -> None:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            use(path)

        return Target(name, content, call)

    genome = work / "genome.fa"
    genome.write_bytes(seeds.GENOME)
    dump = work / "taxdump"
    dump.mkdir()
    (dump / "nodes.dmp").write_bytes(seeds.NODES)
    (dump / "names.dmp").write_bytes(seeds.NAMES)
    log = b'{"step": 1, "loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0, "tokens": 8, "seconds": 0.1}\n'
    run = work / "run"
    run.mkdir()
    (run / "config.yaml").write_bytes(b"a: 1\n")
    task = work / "task"
    task.mkdir()
    (task / "test.csv").write_bytes(b"sequence,label\nACGT,a\n")
    return [
        small("r.bed", [b"c\t5\t9\tx\t0\t-\nc\t9\t12\n", b"track name=x\nc 5 9 x 0 +\n"], check_bed),
        small("x.vcf", [seeds.VCF, gzip.compress(seeds.VCF)], _read_vcf),
        small("x.bed", [seeds.BED], lambda path: list(read_regions(genome, bed=path, flank=2))),
        small("suite.yaml", [seeds.SUITE], read_suite),
        small("settings.yaml", [seeds.SETTINGS], lambda path: compose_settings(str(path), {})),
        small("card.yaml", [seeds.CARD], read_card_text),
        small("preset.yaml", [_preset()], lambda path: read_preset(str(path))),
        small("site.yaml", [b"account: a\npartition: b\n"], lambda path: read_site("slurm", path, [])),
        small("taxdump/nodes.dmp", [seeds.NODES], lambda path: Taxonomy(path.parent).find(["2"])),
        small("taxdump/names.dmp", [seeds.NAMES], lambda path: Taxonomy(path.parent).find(["Bacteria", "9"])),
        small("accessions.txt", [b"NC_000913.3\n# x\nNC_1\n"], lambda path: AccessionList(path)),
        small("list.txt", [b"genome.fa\n# x\n"], lambda path: expand_inputs([f"@{path}"])),
        small("score.json", [b'{"format": "x", "score": {}}'], read_score),
        small("evaluation.json", [b'{"format": "x", "evaluation": {}}'], read_evaluation),
        small("run/metrics.jsonl", [log * 3], lambda path: read_run_log(path.parent)),
        small("run/config.yaml", [b"a: 1\nb: [1, 2]\n"], lambda path: _read_run(path, log)),
        small("task/train.csv", [b"sequence,label\nACGT,a\nGGCC,b\n"], lambda path: read_task(path.parent)),
        small("tokenizer.json", [_tokenizer()], lambda path: validate_tokenizer(path.parent)),
    ]  # fmt: skip


def _read_vcf(path: Path) -> None:
    vcf = read_vcf(path)
    alleles = [replace(one, status=SCORED) for one in list_alleles(vcf, {}, path)]
    check_labels(alleles, Labelling(key="CLASS", positive=("1",), by="CLASS"), path)


def _read_run(path: Path, log: bytes) -> None:
    path.with_name("metrics.jsonl").write_bytes(log)
    read_run_log(path.parent)


def _tokenizer() -> bytes:
    return (CONFIGS / "example_checkpoint" / "tokenizer.json").read_bytes()


def _preset() -> bytes:
    return (CONFIGS / "exclusion" / "eukaryotic_viruses.yaml").read_bytes()
