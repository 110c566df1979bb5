"""The data card says what the manifest says, needs nothing, and takes no orders from a name."""

import random
import re
import statistics
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from corpora import prepare
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from corpus.card.data import CardData, card_data
from corpus.card.figures import length_figure, log_ticks
from corpus.card.histogram import gc_summary, length_summary
from corpus.card.lengths import Lengths, read_lengths
from corpus.card.page import CardText, read_card_text, write_card, write_card_of
from corpus.exclusion.rule import ExclusionRule
from corpus.manifest import FORMAT_VERSION, Manifest
from corpus.preparation import prepare as preparation
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from foundation.typed import from_json, to_json

HOSTILE = "<script>alert(1)</script>\"'&x|`*\n# y"


class _Page(HTMLParser):
    """Tags, what they load, and visible text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def split(name: str, documents: int) -> dict[str, Any]:
    letters = {"A": 300, "C": 250, "G": 250, "T": 150, "N": 40, "other": 10}
    composition = {letter: count * documents for letter, count in letters.items()}
    return {
        "name": name,
        "documents": documents,
        "tokens": 1001 * documents,
        "bases": 1000 * documents,
        "composition": composition,
        "soft_masked": 125 * documents,
        "markup": 0,
        "shards": [],
        "length_histogram": {"40": documents - 1, "44": 1},
        "gc_histogram": {"52": documents - 1, "53": 1},
    }


def data(manifest: dict[str, Any]) -> CardData:
    return card_data(from_json(Manifest, manifest, "manifest"))


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "versions": {"genomic-llama": "0.1.0"},
        "settings": to_json(Settings(split=SplitRule(seed=7), exclusion=ExclusionRule(preset=("eukaryotic_viruses",)))),
        "rule_files": {},
        "sources": [
            {
                "path": f"/data/genome{number}.fa.gz",
                "format": "fasta",
                "bytes": 12345,
                "sha256": f"{number:x}" * 64,
                "records": 31,
                "bases": 1000,
                "content": {
                    "gc": 100 * number,
                    "at": 300,
                    "n": 4 * number,
                    "soft_masked": 500 * number,
                    "splits": {"train": 900} if number == 1 else {"validation": 1000},
                    "documents": {},
                },
            }
            for number in (1, 2)
        ],
        "resemblance": {
            "sources": [{"path": "/data/genome2.fa.gz", "other": "/data/genome1.fa.gz", "identity": 0.9976}],
            "splits": {"validation": {"looked_at": 400, "share": 0.25}},
        },
        "splits": [split("train", 300), split("validation", 100)],
        "excluded": {"accession": 3, "taxon:10239": 1234},
    }


def test_both_forms_say_the_numbers(manifest: dict[str, Any], tmp_path: Path) -> None:
    text = CardText(title="Two genomes", description="For a test.", licence="CC0", source_licences={"*2.fa*": "MIT"})
    html, markdown = write_card_of(data(manifest), text, tmp_path, name="corpus")
    page, plain = _Page(html), markdown.read_text("utf-8")
    for expected in (
        "Two genomes",
        "For a test.",
        "400 k bases in 400 documents from 2 files, in 2 splits",
        "A corpus of 400 k bases: 300 k to train on and 25.00% held out for validation.",
        "52.63%",  # (250 + 250) of 950
        "4.00%",  # N
        "12.50%",  # soft-masked
        "300,300",  # tokens of train
        "1,234",
        "taxon:10239",
        "CC0",
        "MIT",
        "12,345",
        "1" * 12,
        "from 1,024 to 1,217",
        "Median 52%",
        "eukaryotic",
        "seed 7",
    ):
        assert expected in page.text, expected
        assert expected in plain, expected
    assert "1" * 64 in plain
    assert page.tags.count("svg") == 2


def test_the_page_needs_nothing(manifest: dict[str, Any], tmp_path: Path) -> None:
    html, _ = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    page, source = _Page(html), html.read_text("utf-8")
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert all(link.startswith("#") for link in page.links)
    assert "default-src 'none'" in source
    assert not re.search(r"url\((?!#)", source)
    assert "#010101" not in source  # a stand-in colour
    assert "prefers-color-scheme: dark" in source


def test_names_are_shown_and_not_obeyed(manifest: dict[str, Any], tmp_path: Path) -> None:
    manifest["sources"][0]["path"] = HOSTILE.replace("/", "_")
    manifest["excluded"] = {f"header:{HOSTILE}": 1}
    text = CardText(title=HOSTILE, description=HOSTILE, licence=HOSTILE)
    html, markdown = write_card_of(data(manifest), text, tmp_path, name="corpus")
    page, plain = _Page(html), markdown.read_text("utf-8")
    assert "script" not in page.tags
    assert f"header:{HOSTILE}" in page.text
    assert "<script>" not in plain
    assert [line for line in plain.splitlines() if line.startswith("# ")] == [plain.splitlines()[0]]
    rows = [line for line in plain.splitlines() if line.startswith("| header:")]
    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 3


def test_a_corpus_gets_its_card(write_fasta: Any, contigs: dict[str, bytes], tmp_path: Path) -> None:
    corpus = tmp_path / "my-corpus"
    manifest = prepare([write_fasta(contigs)], corpus, validation_fraction=0.2)
    html, markdown = write_card(corpus, tmp_path / "card")
    page = _Page(html)
    assert "my-corpus" in page.text
    assert f"{sum(s.bases for s in manifest.splits):,}" in page.text
    assert manifest.sources[0].sha256 in markdown.read_text("utf-8")
    assert "not stated" in page.text
    with refused("not-a-corpus", where=tmp_path):
        write_card(tmp_path, tmp_path / "card")


def test_many_sources_are_cut_short(manifest: dict[str, Any], tmp_path: Path) -> None:
    manifest["sources"] = [{**manifest["sources"][0], "path": f"g{number}.fa"} for number in range(103)]
    html, markdown = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    assert "3 more are in the manifest" in _Page(html).text
    assert "3 more are in `manifest.json`" in markdown.read_text("utf-8")


def test_nothing_left_out_and_no_histogram(manifest: dict[str, Any], tmp_path: Path) -> None:
    manifest["excluded"] = {}
    for row in manifest["splits"]:
        row["length_histogram"] = row["gc_histogram"] = {}
    html, _ = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    page = _Page(html)
    assert "No record was left out" in page.text
    assert "svg" not in page.tags
    assert "4.00%" in page.text


def test_without_indices_the_bins_are_told(tmp_path: Path) -> None:
    # 2^10 = 1024 bases: bin 40; one document of 2^20 holds most of the bases
    summary = length_summary({40: 10, 80: 1}, None, markup=False)
    assert summary.startswith("Documents have 1,024 or more, at the most 1,246,974 bases; ")
    assert "the median lies from 1,024 to 1,217. " in summary
    middle = "the middle half of the documents has 30% to 40%"
    assert gc_summary({30: 1, 40: 2, 60: 1}) == f"Median 40%; {middle} (whole percent, rounded down)."


@settings(max_examples=20)
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=60), st.sampled_from([40_000, 1 << 29]))
def test_lengths_are_exact(lengths: list[int], shard_bytes: int) -> None:
    """Over all splits and shards, against a plain sort."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "x.fa").write_text("".join(f">r{n}\n{'ACGT' * 1250:.{size}}\n" for n, size in enumerate(lengths)))
        options = Settings(split=SplitRule(validation_fraction=0))
        manifest = preparation.prepare([folder / "x.fa"], folder / "out", options, shard_bytes=shard_bytes)
        found = read_lengths(folder / "out", manifest)
    longest_first = sorted(lengths, reverse=True)
    running, total = 0, sum(lengths)
    for n50 in longest_first:
        running += n50
        if 2 * running >= total:
            break
    assert found == Lengths(shortest=min(lengths), median=statistics.median(lengths), n50=n50, longest=max(lengths))


def test_segments_of_one_length(tmp_path: Path, write_fasta: Callable[..., Path]) -> None:
    source = write_fasta({f"r{n}": bytes(random.Random(n).choices(b"ACGT", k=60_000)) for n in range(5)})
    prepare([source], tmp_path / "corpus", segment_length=20_000, validation_fraction=0.3, seed=1)
    _, markdown = write_card(tmp_path / "corpus", tmp_path / "card")
    assert "Every document has 20,000 bases." in markdown.read_text("utf-8")


def test_letters_of_tags_are_said_to_be_counted(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "|d__A|ACGT"}\n{"text": "ACGTAC"}\n')
    options = Settings(split=SplitRule(validation_fraction=0), markup=True)
    preparation.prepare([tmp_path / "x.jsonl"], tmp_path / "corpus", options)
    _, markdown = write_card(tmp_path / "corpus", tmp_path / "card")
    assert "6 to 10 letters, tags included, in the median 8; half of all letters" in markdown.read_text("utf-8")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 9, "0.00%"), (1, 10**6, "< 0.01%"), (10**6 - 1, 10**6, "> 99.99%"), (9, 9, "100.00%"), (1, 8, "12.50%")],
)
def test_a_share_is_never_rounded_to_none_or_all(
    manifest: dict[str, Any], tmp_path: Path, part: int, whole: int, shown: str
) -> None:
    for row in manifest["splits"]:
        row |= {"bases": whole, "soft_masked": part}
    _, markdown = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    [tile] = [line for line in markdown.read_text("utf-8").splitlines() if line.startswith("| Soft-masked")]
    assert shown in tile.replace("\\", "")


def test_text_comes_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "card.yaml"
    file.write_text("licence: Apache-2.0\nsource_licences:\n  '*.fa': CC0\n")
    assert read_card_text(file) == CardText(licence="Apache-2.0", source_licences={"*.fa": "CC0"})
    for content, kind, names, fix in (
        ("license: x\n", "unknown-key", "'license'", "'licence'"),
        ("- 1\n", "wrong-type", "[1]", ""),
        ("a: [", "not-yaml", "line 2", ""),
    ):
        file.write_text(content)
        with refused(kind, where="card.yaml", names=names, fix=fix):
            read_card_text(file)
    with refused("missing-file", where="none.yaml"):
        read_card_text(tmp_path / "none.yaml")


@given(st.integers(0, 139), st.integers(1, 20))
def test_the_axis_of_lengths_has_ticks_whatever_the_lengths(first: int, bins: int) -> None:
    low, high = 2 ** (first / 4) / 1.3, 2 ** ((first + bins) / 4) * 1.3
    ticks = log_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert low <= ticks[0] < ticks[-1] <= high


@pytest.mark.parametrize("lengths", [{40: 1}, {40: 500}, {0: 3}])
def test_equal_lengths_are_drawn_with_ticks_and_whole_documents(lengths: dict[int, int]) -> None:
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", length_figure(lengths))
    numbers = texts[: texts.index("bases in a document")]
    assert len(numbers) >= 3, texts
    documents = [text for text in texts if text not in numbers]
    assert not [text for text in documents if re.fullmatch(r"[0-9]*\.[0-9]+", text)], texts


def test_what_each_source_holds_and_what_is_doubtful(manifest: dict[str, Any], tmp_path: Path) -> None:
    html, markdown = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    text, plain = " ".join(_Page(html).text.split()), markdown.read_text("utf-8").replace("\\", "")
    cells = ("1,000", "25.00%", "0.40%", "50.00%", "90.00%", "0.00%", "0.00%", "10.00%")
    assert f"genome1.fa.gz{''.join(cells)}" in text
    assert f"| genome1.fa.gz | {' | '.join(cells)} |" in plain
    assert "| genome2.fa.gz | 1,000 | 40.00% | 0.80% | 100.00% | 0.00% | 100.00% | 0.00% | 0.00% |" in plain
    for doubt in (
        "/data/genome2.fa.gz is in lower case throughout",
        "/data/genome2.fa.gz is 99.76% the same as /data/genome1.fa.gz",
        "25.0% of the 32-mers of validation are in train too (a sample of 400)",
    ):
        assert doubt in text
        assert f"- {doubt}" in plain
    assert re.search(r"\| validation \|.*\| 25\.0% \|$", plain, re.MULTILINE)


def test_a_corpus_of_an_older_version_has_its_card_too(manifest: dict[str, Any], tmp_path: Path) -> None:
    manifest["resemblance"] = None
    for source in manifest["sources"]:
        source["content"] = None
    html, markdown = write_card_of(data(manifest), CardText(), tmp_path, name="corpus")
    for text in (_Page(html).text, markdown.read_text("utf-8")):
        assert "Worth checking" not in text
        assert "What each source holds" not in text
        assert "32-mers" not in text
