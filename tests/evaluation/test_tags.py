"""OpenGenome2's tags: context in front of either strand, never scored, never read as bases."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import score_records
from typer.testing import CliRunner

from corpus.manifest import read_manifest
from corpus.markup import other_strand, to_this_strand
from corpus.preparation.prepare import prepare
from corpus.readers.fasta import read_fasta
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from evaluation.baselines.kmers import count_kmers
from evaluation.embedding.embedding import embed_regions
from evaluation.generation.generated_files import read_prompts, write_generated
from evaluation.generation.generation import Sampling, check_prompts, generate
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import Region, letters_scored, oriented, read_regions, tag_of
from genomic_llama.api.sequences import read_sequences
from genomic_llama.cli.main import app
from tokenizer.sequence import encode

TAG = "|d__BAC;|"
BASES = "ACGTTGCAgN"
OTHER = "NCTGCAACGT"  # upper case, as it is read


def losses(model: Any, read: str, scored: range) -> float:
    """The summed loss of some letters of what is read, by the model alone."""
    import torch

    ids = torch.tensor([list(read.encode())])
    with torch.no_grad():
        logs = torch.log_softmax(model(ids).logits.float(), dim=-1)[0]
    return -sum(float(logs[place - 1, ids[0, place]]) for place in scored if read[place] in "ACGT")


def record(tmp_path: Path, text: str, name: str = "a") -> Path:
    (tmp_path / "t.fa").write_text(f">{name}\n{text}\n")
    return tmp_path / "t.fa"


@pytest.mark.parametrize("how", ["in the record", "an option"])
def test_a_tag_is_context_on_either_strand(how: str, tiny_model: Any, tmp_path: Path) -> None:
    own = how == "in the record"
    fasta = record(tmp_path, TAG * own + BASES)
    regions = list(read_regions(fasta, markup=own, tag=None if own else tag_of("d__BAC;")))
    upper, start = TAG.upper(), len(TAG)
    for strand, bases in (("forward", BASES.upper()), ("reverse", OTHER)):
        (found,) = score_records(tiny_model, regions, strand=strand).records
        assert found.nats == pytest.approx(losses(tiny_model, upper + bases, range(start, start + 10)), abs=1e-5)
        assert (found.length, found.bases_scored) == (10, 9)  # the first too, and not N
    (without,) = score_records(tiny_model, read_regions(record(tmp_path, BASES))).records
    assert without.bases_scored == 8


def test_a_tag_among_the_bases(tiny_model: Any, tmp_path: Path) -> None:
    """Each stretch is turned in its place, as a training sample is; A and C of a tag are no bases."""
    (region,) = read_regions(record(tmp_path, "AACG|d__AC;|GT@TTA"), markup=True)
    assert oriented(region, reverse=True)[0].tobytes() == b"CGTT|D__AC;|AC@TAA"
    kept: list[tuple[Region, Any, Any]] = []

    class Track:
        def add(self, region: Region, forward: Any, reverse: Any) -> None:
            kept.append((region, forward, reverse))

    (found,) = score_records(tiny_model, [region], strand="both", track=Track()).records
    assert (found.length, found.bases_scored) == (9, 2 * 8)
    bases, forward, reverse = kept[0]
    assert bases.ids.tobytes() == b"AACGGTTTA"
    assert np.isfinite(forward).tolist() == [False] + [True] * 8
    assert np.isfinite(reverse).tolist() == [True] * 3 + [False] + [True] * 5  # of CGTT the first has no score
    assert -forward[1:].sum() == pytest.approx(losses(tiny_model, "AACG|D__AC;|GT@TTA", range(1, 4)) + losses(
        tiny_model, "AACG|D__AC;|GT@TTA", range(12, 18)), abs=1e-5)  # fmt: skip
    with refused("markup-inside", where="'a'"):
        list(embed_regions(tiny_model, [region], plan_reading(tiny_model), layer=-1, pooling="mean"))


def test_values_come_back_to_their_letters() -> None:
    for text in ("AACG|d__AC;|GT@TTA", "AACGGTN", "|d_|AC"):
        ids = encode(text)
        turned = other_strand(ids)
        again = to_this_strand(ids, turned)
        complement = dict(zip(b"ACGTN", b"TGCAN", strict=True))
        stays = {place for place, (a, b) in enumerate(zip(ids, again, strict=True)) if a == b}
        assert all(complement[a] == b for p, (a, b) in enumerate(zip(ids, again, strict=True)) if p not in stays)
        assert to_this_strand(ids, np.stack([turned, turned], axis=1))[:, 1].tolist() == again.tolist()


def test_an_embedding_is_of_bases_after_the_tag(tiny_model: Any, tmp_path: Path) -> None:
    import torch

    (region,) = read_regions(record(tmp_path, TAG + BASES), markup=True)
    reading = plan_reading(tiny_model)
    with torch.no_grad():
        ids = torch.tensor([list((TAG + BASES).upper().encode())])
        hidden = tiny_model.model(input_ids=ids).last_hidden_state[0, len(TAG) :].numpy()
    for pooling, wanted in (("none", hidden), ("mean", hidden.mean(0)), ("last", hidden[-1]), ("max", hidden.max(0))):
        (found,) = embed_regions(tiny_model, [region], reading, layer=-1, pooling=pooling)
        np.testing.assert_allclose(found.values, wanted, atol=1e-5)


def test_a_prompt_may_begin_with_a_tag(tiny_model: Any, tmp_path: Path) -> None:
    prompts = read_prompts([TAG + "AcG"], None)
    assert [(one.tag.tobytes().decode(), one.ids.tobytes()) for one in prompts] == [(TAG, b"AcG")]
    (python,) = read_sequences(TAG + "AcG")
    assert (python.tag.tobytes().decode(), python.ids.tobytes()) == (TAG, b"AcG")
    apart = read_prompts(["AcG"], None, tag="d__BAC;")
    file = read_prompts([], record(tmp_path, TAG + "AcG"))
    sampling = Sampling(length=6, temperature=0)
    found = [generate(tiny_model, some, sampling)[0] for some in (prompts, apart, file)]
    assert len({one.ids.tobytes() for one in found}) == 1
    read, scored = (TAG + "AcG").upper() + found[0].ids.tobytes().decode(), range(len(TAG) + 3, len(TAG) + 9)
    assert -found[0].logs.sum() == pytest.approx(losses(tiny_model, read, scored), abs=1e-5)
    write_generated(found[:1], tmp_path / "o.fa", with_prompt=True, per_base=None)
    (written,) = read_fasta(tmp_path / "o.fa")
    assert f"tag={TAG}" in written.description
    assert written.sequence.startswith(b"ACG")
    (alone,) = generate(tiny_model, read_prompts([], None, tag="d__BAC;"), sampling)
    assert len(alone.ids)
    with refused("prompt-too-long", fix="--length 12"):
        check_prompts(prompts, Sampling(length=13), 24)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("|d__Bac", "tag-not-closed"), ("|d__|EFG", "not-nucleotides"), ("|d\t|ACG", "tag-not-printable")],
)
def test_what_is_not_a_tag_in_a_prompt(text: str, kind: str) -> None:
    with refused(kind, where="prompt 1", fix="|d__Bacteria|"):
        read_prompts([text], None)


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("", "not-a-tag"), ("||", "not-a-tag"), ("|d__|ACGT", "not-a-tag"), ("ACGT|d__|", "not-nucleotides"),
        ("|a|b|", "tag-not-closed"),
    ],
)  # fmt: skip
def test_what_is_not_a_tag_alone(tag: str, kind: str) -> None:
    with refused(kind, where="tag"):
        tag_of(tag)


def test_a_record_has_one_tag_in_front(tmp_path: Path) -> None:
    fasta = record(tmp_path, TAG + BASES)
    with refused("two-tags", where="'a'"):
        list(read_regions(fasta, markup=True, tag=tag_of("d__X")))
    with refused("not-nucleotides"):
        list(read_regions(fasta))
    with refused("no-sequence", where="'b'"):
        list(read_regions(record(tmp_path, TAG, name="b"), markup=True))


def test_the_commands(tiny_directory: Path, tmp_path: Path) -> None:
    fasta, outs = record(tmp_path, TAG + BASES), tmp_path / "o"
    runner = CliRunner()

    def command(*words: object) -> str:
        result = runner.invoke(app, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "9 bases of 1 record" in command(
        "score", tiny_directory, fasta, "--markup", "--per-base", f"{outs}.bedgraph"
    )
    starts = [int(line.split("\t")[1]) for line in Path(f"{outs}.bedgraph").read_text().splitlines()]
    assert starts == list(range(9))
    command("embed", tiny_directory, fasta, "--markup", "--out", f"{outs}.parquet")
    command("generate", tiny_directory, "--tag", "d__BAC;", "--length", 5, "--out", f"{outs}.fa")
    with refused("markup-without-fasta", fix="--bed"):
        command("score", tiny_directory, fasta, "--markup", "--bed", fasta)


def test_rna_in_a_corpus(tiny_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept as it is and counted, or stored as T; a corpus that has it is read as T. A tag keeps its letters."""
    lines = [f'{{"text": "|d__BUC;|{sequence}"}}\n' for sequence in ("ACGUUGCAGGA" * 3, "ACGTTGCAGGA" * 3)]
    rule = SplitRule(validation_fraction=0)
    for name, text, rna in (("rna", lines[0], False), ("dna", lines[1], False), ("read", lines[0], True)):
        (tmp_path / f"{name}.jsonl").write_text(text)
        prepare([tmp_path / f"{name}.jsonl"], tmp_path / name, Settings(split=rule, markup=True, rna=rna))
        said = [line for line in capsys.readouterr().err.splitlines() if "U of RNA" in line]
        assert len(said) == (name == "rna")
        assert all("6 U of RNA" in line and "--rna" in line for line in said)
    stored = {name: next((tmp_path / name).rglob("*.bin")).read_bytes() for name in ("rna", "dna", "read")}
    assert stored["read"] == stored["dna"] != stored["rna"]
    assert b"|d__BUC;|" in stored["read"]
    scores = {}
    for name in ("rna", "read"):
        regions = list(read_regions(tmp_path / name, split="train"))
        scores[name] = score_records(tiny_model, regions).records[0].nats
    assert scores["rna"] == scores["read"]
    assert "U of RNA is read as T" in capsys.readouterr().err
    assert read_manifest(tmp_path / "read").settings.rna
    content = json.loads((tmp_path / "dna" / "manifest.json").read_text())
    del content["settings"]["rna"], content["xxh3_128"]  # as it was written before
    (tmp_path / "dna" / "manifest.json").write_text(json.dumps(content))
    assert not read_manifest(tmp_path / "dna").settings.rna


def test_a_baseline_counts_the_bases_that_are_scored(tiny_model: Any, tmp_path: Path) -> None:
    for text in (TAG + BASES, "AACG|d__AC;|GT@TTA", BASES):
        (region,) = read_regions(record(tmp_path, text), markup=True)
        (found,) = score_records(tiny_model, [region]).records
        assert count_kmers([letters_scored(region)]).targets == found.bases_scored
