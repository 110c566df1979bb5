"""The API gives what the commands and transformers give, prints nothing, and raises."""

import dataclasses
import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusal import refused

import genomic_llama as gl
from evaluation.generation.sampling import Sampling
from genomic_llama.cli.generation import generate as command

SEQUENCES = {"a": "ACGTTGCAAGGC", "b": "acgtacgnAC", "long": "GATTACA" * 10, "one": "T"}
GENOME = {"c": "ACGTTGCAAGGCTTACGGTACATTGACCATGACCGATTTACGACGGGGA"}


def _logs(model: Any, text: str) -> np.ndarray:
    """ln P of each base from the second on, one forward pass of transformers."""
    import torch

    tokens = torch.tensor([list(text.upper().encode())])
    with torch.inference_mode():
        logs = model(tokens, use_cache=False).logits.log_softmax(-1)[0, :-1]
    return np.asarray(logs.gather(-1, tokens[0, 1:, None])[:, 0])


def test_scores_are_those_of_transformers(model: Any) -> None:
    found = gl.score(model, SEQUENCES, strand="both")
    assert list(found.table["name"]) == list(SEQUENCES)
    assert list(found.table["length"]) == [12, 10, 70, 1]
    np.testing.assert_allclose(found.forward[0][1:], _logs(model, SEQUENCES["a"]), atol=1e-5)
    assert np.isnan(found.forward[0][0])
    np.testing.assert_allclose(found.reverse[0][:-1][::-1], _logs(model, "GCCTTGCAACGT"), atol=1e-5)
    row = found.table.iloc[0]
    assert row.nats == pytest.approx(-np.nansum([found.forward[0], found.reverse[0]]), rel=1e-6)
    assert row.bits_per_base == pytest.approx(row.nats / np.log(2) / 22)
    assert found.bits_per_base == pytest.approx(found.table.nats.sum() / np.log(2) / found.table.bases_scored.sum())
    assert np.isnan(found.table.perplexity.iloc[3])
    assert gl.score(model, "ACGTTGCAAGGC").reverse == []


def test_batches_do_not_matter(model: Any) -> None:
    one, all_together = (gl.score(model, SEQUENCES, batch_size=size) for size in (1, None))
    for first, second in zip(one.forward, all_together.forward, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)
    one_by_one, together = (gl.embed(model, SEQUENCES, batch_size=size) for size in (1, None))
    np.testing.assert_allclose(one_by_one, together, atol=1e-5)


def test_embeddings_are_hidden_states(model: Any) -> None:
    import torch

    means = gl.embed(model, SEQUENCES)
    assert means.shape == (4, 32)
    assert means.dtype == np.float32
    with torch.inference_mode():
        states = model(torch.tensor([list(b"ACGTTGCAAGGC")]), output_hidden_states=True, use_cache=False).hidden_states
    np.testing.assert_allclose(means[0], states[-1][0].mean(dim=0), atol=1e-5)
    bases = gl.embed(model, SEQUENCES, pooling="none", layer=1)
    assert [one.shape for one in bases] == [(12, 32), (10, 32), (70, 32), (1, 32)]
    np.testing.assert_allclose(bases[0], states[1][0], atol=1e-5)


def test_variants_of_a_table_are_those_of_a_vcf_file(model: Any, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"CHROM": "c", "POS": [3, 5, 9, 30], "REF": ["G", "C", "A", "T"], "ALT": ["A", "A", "AT,G", "TCC"]},
        index=["x", "y", "z", "w"],
    )
    lines = [f"c\t{row.POS}\t.\t{row.REF}\t{row.ALT}\t.\t.\t." for row in table.itertuples()]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "v.vcf").write_text(header + "\n".join(lines) + "\n")
    (tmp_path / "g.fa").write_text(f">c\n{GENOME['c']}\n")
    options = {"window": 24, "downstream": 8, "distances": True}
    found = gl.variants(model, GENOME, table, **options)
    assert list(found.index) == ["x", "y", "z", "z", "w"]
    assert list(found["status"]) == ["scored", "ref_mismatch", "scored", "scored", "scored"]
    beyond = gl.variants(model, GENOME, table.assign(POS=[49, 50, 48, 900], REF=["A", "A", "GAT", "T"]), **options)
    assert list(beyond["status"]) == ["scored", *["outside_contig"] * 4]
    assert np.isnan(found["delta"].iloc[1])
    assert (found.loc[found["status"] == "scored", "divergence"] > 0).all()
    same = gl.variants(model, str(tmp_path / "g.fa"), tmp_path / "v.vcf", **options)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), same)
    assert "divergence" not in gl.variants(model, GENOME, table).columns


def test_a_mutant_is_the_variant_of_the_same_change(model: Any) -> None:
    table = gl.mutate(model, GENOME, regions=[("c", 10, 14)], deletions=[2], window=24, downstream=8)
    assert list(table["kind"]) == ["snv"] * 12 + ["deletion"] * 3
    text = GENOME["c"]
    given = pd.DataFrame(
        {"contig": "c", "position": table["start"] + (table["kind"] == "snv"),
         "ref": [text[r.start - (not r.alt) : r.end] for r in table.itertuples()],
         "alt": [r.alt or text[r.start - 1] for r in table.itertuples()]}
    )  # fmt: skip
    found = gl.variants(model, GENOME, given, window=24, downstream=8)
    np.testing.assert_allclose(found["delta"], table["delta"], atol=1e-5)
    assert len(gl.mutate(model, "ACGT")) == 12


def test_generated_sequence(model: Any) -> None:
    table = gl.generate(model, {"p": "ACGT"}, length=6, min_length=6, samples=3, seed=1)
    assert list(table["sample"]) == [0, 1, 2]
    assert set(table["prompt"]) == {"p"}
    row = table.iloc[0]
    np.testing.assert_allclose(
        row.log_probabilities, _logs(model, "ACGT" + row.sequence)[3:], atol=1e-5
    )  # fmt: skip
    assert row.mean_log_probability == pytest.approx(row.log_probabilities.mean(), rel=1e-6)
    again = gl.generate(model, {"p": "ACGT"}, length=6, min_length=6, samples=3, seed=1)
    pd.testing.assert_frame_equal(table, again)


def test_nothing_is_printed_unless_asked_for(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for progress in (False, True):
            gl.score(model, "ACGT", progress=progress)
            gl.embed(model, "ACGT", progress=progress)
            gl.generate(model, "ACGT", length=2, progress=progress)
            gl.mutate(model, "ACGT", progress=progress)
            printed = capsys.readouterr()
            assert printed.out == ""
            assert [name in printed.err for name in ("Scoring", "Embedding", "Generating", "Mutating")] == [
                progress
            ] * 4
            assert progress or printed.err == ""


def test_what_is_said_is_a_warning(model: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(UserWarning, match="U of RNA"):
        rna = gl.score(model, "ACGUACG").forward[0]
    np.testing.assert_array_equal(rna, gl.score(model, "ACGTACG").forward[0])
    assert capsys.readouterr().err == ""


def test_a_checkpoint_of_another_format_is_converted(directory: Path, tmp_path: Path, model: Any) -> None:
    gl.convert(directory, tmp_path / "nemo", to="nemo")
    loaded = gl.load_model(str(tmp_path / "nemo"), device="cpu")
    for name, tensor in model.state_dict().items():
        assert (loaded.state_dict()[name] == tensor).all(), name


def test_bad_input_raises(model: Any, tmp_path: Path) -> None:
    with refused("no-such-directory", where="none"):
        gl.load_model(tmp_path / "none")
    for call in (gl.score, gl.mutate, gl.generate):
        with refused("no-output-layer", names="LlamaModel"):
            call(model.model, "ACGT")
    with refused("no-base-to-score"):
        gl.score(model, ["N", "A"])
    with refused("strand", names="'up'"):
        gl.score(model, "ACGT", strand="up")
    with refused("context-length", names="25"):
        gl.score(model, "ACGT", context_length=25)
    with refused("pooling", names="'sum'"):
        gl.embed(model, "ACGT", pooling="sum")  # type: ignore[call-overload]
    with refused("layer", names="3"):
        gl.embed(model, "ACGT", layer=3)
    with refused("no-variant-column", names="'alt'"):
        gl.variants(model, GENOME, pd.DataFrame({"chrom": ["c"], "pos": [1], "ref": ["A"]}))
    for position in (0, 1.5, float("nan"), float("inf"), "x", "5", None, pd.NA):
        with refused("vcf-position", where="row 0 of the table"):
            gl.variants(
                model, GENOME, pd.DataFrame({"chrom": ["c"], "pos": pd.Series([position], dtype=object),
                "ref": "A", "alt": "C"})
            )  # fmt: skip
    for given in ([("c", 5, "T", "A")], None):
        with refused("not-variants", fix="VCF"):
            gl.variants(model, GENOME, given)  # type: ignore[arg-type]
    with refused("no-contig", names="'d'", fix="c"):
        gl.mutate(model, GENOME, regions=[("d", 0, 1)])
    for start, end in ((0, 50), (3, 3), (-1, 4)):
        with refused("region-outside", where="'c'"):
            gl.mutate(model, GENOME, regions=[("c", start, end)])
    for region in ("c:0-3", ("c", 0)):
        with refused("not-a-region", names=str(region)):
            gl.mutate(model, GENOME, regions=[region])  # type: ignore[list-item]
    with refused("prompt-too-long", where="'sequence1'"):
        gl.generate(model, "ACGT", length=30)
    with refused("no-prompt"):
        gl.generate(model, [])


def test_a_sequence_without_bases_is_not_embedded(model: Any) -> None:
    for pooling in ("mean", "max", "last", "none"):
        for text in ("", "|d__Bacteria|"):
            with refused("no-base-to-embed", where="'sequence2'"):
                gl.embed(model, ["ACGT", text], pooling=pooling)  # type: ignore[call-overload]


def test_a_batch_has_at_least_one_sequence(model: Any) -> None:
    table = pd.DataFrame({"contig": ["c"], "position": [3], "ref": ["G"], "alt": ["A"]})
    for size in (0, -1):
        for call in (gl.score, gl.embed, gl.mutate):
            with refused("batch-size", names=str(size)):
                call(model, "ACGT", batch_size=size)
        with refused("batch-size", names=str(size)):
            gl.variants(model, GENOME, table, batch_size=size)


def test_sequences_that_are_looked_up_by_name_have_one_each(model: Any) -> None:
    twice = [("c", GENOME["c"]), ("c", "ACGT")]
    with refused("duplicate-name", where="'c'"):
        gl.mutate(model, twice)
    table = pd.DataFrame({"contig": ["c"], "position": [3], "ref": ["G"], "alt": ["A"]})
    with refused("duplicate-name", where="'c'"):
        gl.variants(model, twice, table)
    tagged = {"c": "|d__Bacteria|" + GENOME["c"], "other": "|d__Bacteria|ACGT"}
    with refused("tag-not-read", where="'c'"):
        gl.mutate(model, tagged)
    with refused("tag-not-read", where="'c'"):
        gl.variants(model, tagged, table)
    assert list(gl.variants(model, {**GENOME, "other": tagged["other"]}, table)["status"]) == ["scored"]


def test_numbers_are_numbers_where_nothing_is_scored(model: Any) -> None:
    table = pd.DataFrame({"contig": ["c"], "position": [3], "ref": ["A"], "alt": ["C"]})
    for found in (gl.variants(model, GENOME, table, strand="forward"), gl.mutate(model, "A")):
        assert found["delta"].dtype == found["reverse"].dtype == np.float64
        assert found["delta"].isna().all()


def test_a_motif_may_be_given_alone(model: Any) -> None:
    alone, listed = (gl.generate(model, "ACGT", length=9, forbid=motif, seed=2) for motif in ("GA", ["GA"]))
    pd.testing.assert_frame_equal(alone, listed)


def test_case_does_not_matter_in_what_is_asked_of_generation(model: Any) -> None:
    options: dict[str, Any] = {"length": 9, "min_length": 9, "seed": 3}
    upper = gl.generate(model, "|D__BACT|ACGTT", alphabet="ACG", forbid="GA", **options)
    lower = gl.generate(model, "|d__bact|acgtt", alphabet="acg", forbid="ga", **options)
    pd.testing.assert_frame_equal(upper, lower)
    assert len(upper["sequence"][0]) == 9


def test_a_device_that_is_not_here(directory: Path) -> None:
    with refused("device", names="'tpu?'"):
        gl.load_model(directory, device="tpu?")
    with refused("no-device", names="'cuda:99'"):
        gl.load_model(directory, device="cuda:99")


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="predict_all"):
        gl.predict_all  # noqa: B018


def test_generate_has_the_defaults_of_sampling_here_and_on_the_command_line() -> None:
    """But for EOS as the first base, which a command never draws; None is an option that was not given."""
    own = {field.name: field.default for field in dataclasses.fields(Sampling)}
    for function, others in ((gl.generate, {}), (command, {"length": None, "min_length": 1, "forbid": None})):
        parameters = inspect.signature(function).parameters
        assert {name: parameters[name].default for name in own} == own | others
