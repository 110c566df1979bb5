"""Compute proposals: ranges over numbers of GPUs, jobs, disk, epochs, and a paragraph to paste."""

import dataclasses
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from corpora import prepare

from foundation.errors import InputError
from launch.planning.corpora import CorpusAtHand, corpus_at_hand, epochs_warning
from launch.planning.overheads import GRACE_SECONDS, SAVE_SECONDS, START_SECONDS, disk, overheads
from launch.planning.plan import make_plan
from launch.planning.proposal import gpu_counts, make_proposal
from launch.planning.proposal_text import proposal_json, proposal_text

COMMAND = [Path(sys.executable).with_name("genomic-llama"), "plan", "llama3_8b_genomic", "--proposal"]


def test_a_table_over_gpus_with_ranges() -> None:
    proposal = make_proposal("llama3_8b_genomic", gpu="h100", counts=(8, 64, 512))
    assert [one.gpus for one in proposal.choices] == [8, 64, 512]
    for one in proposal.choices:
        assert one.seconds.low <= one.seconds.likely < one.seconds.high
        assert one.seconds.likely > proposal.plan.tokens / one.throughput.tokens_per_second
        assert one.fast.jobs <= one.likely.jobs < one.slow.jobs
    days = [one.seconds.likely for one in proposal.choices]
    assert days == sorted(days, reverse=True)
    hours = [one.gpu_hours.likely for one in proposal.choices]
    assert hours == sorted(hours)  # more GPUs waste more
    text = proposal_text(proposal)
    assert "| 512 | tensor " in text or "| 512 | context " in text
    assert proposal.total_flops == 573_510_254_592 * 48_324_673_536
    assert "2.77e+22 FLOPs" in text


def test_the_paragraph_has_the_numbers_of_the_table() -> None:
    proposal = make_proposal("llama3_8b_genomic", gpu="b200", gpus=64, tokens=1e12)
    one = proposal.proposed
    assert one is not None
    paragraph = proposal_text(proposal).splitlines()[-1]
    for told in ("6.98 B parameters", "1 T tokens", "64 NVIDIA B200 GPUs", f"{one.seconds.likely / 86_400:.1f} days"):
        assert told in paragraph
    assert f"between {one.seconds.low / 86_400:.1f} and {one.seconds.high / 86_400:.1f}" in paragraph


def test_a_number_of_gpus_that_cannot_work_says_why() -> None:
    proposal = make_proposal("llama3_8b_genomic", gpu="gb300", gpus=8, counts=(8, 72))
    assert [one.gpus for one in proposal.choices] == [8]
    assert proposal.unsuitable == {72: "not with this batch: give dataset.global_batch_size=288"}
    assert "| 72 | not with this batch" in proposal_text(proposal)
    small = make_proposal("llama3_35b_genomic", gpu="h100", gpus=64, counts=(1,))
    assert small.unsuitable == {1: "no layout fits into the memory"}
    assert small.proposed is None


def test_overheads_by_hand() -> None:
    config = make_plan("llama3_8b_genomic", ("trainer.max_steps=10_000",), gpus=8).config
    trainer = dataclasses.replace(
        config.trainer, max_steps=1000, validate_every=100, validation_batches=3, checkpoint_every=250
    )
    found = overheads(dataclasses.replace(config, trainer=trainer), 10.0, job_seconds=3600)
    assert found.validation == pytest.approx(10 * 3 * 10 / 3)
    assert found.checkpoints == 4 * SAVE_SECONDS
    busy = 10_000 + 100 + 40
    assert found.failures == pytest.approx(busy * 8 / 3600 / 50_700 * (1250 + START_SECONDS))
    assert found.jobs == 4  # 10,140 s in pieces of 3,000
    assert 3600 - START_SECONDS - GRACE_SECONDS == 3000
    assert found.starts == 4 * START_SECONDS


def test_disk_of_checkpoints() -> None:
    plan = make_plan("llama3_8b_genomic", gpus=8)
    found = disk(plan.config, plan.architecture, steps=plan.steps, corpus=None)
    assert found.checkpoint == 14 * 6_981_685_248
    assert found.checkpoints == 3 * found.checkpoint  # two are kept, one is written
    once = disk(plan.config, plan.architecture, steps=500, corpus=7)
    assert once.total == once.checkpoint + 7
    adapted = make_plan("llama3_8b_genomic_lora", gpus=8)
    assert (
        disk(adapted.config, adapted.architecture, steps=1, corpus=None).checkpoint == 14 * adapted.trained_parameters
    )


@pytest.mark.parametrize(
    ("tokens", "told"), [(4_000_000, ""), (8_000_000, "8 epochs.*teaches less"), (5e11, "500,000 epochs.*memorise")]
)
def test_epochs_are_warned_of(tokens: float, told: str) -> None:
    warning = epochs_warning(int(tokens), CorpusAtHand(tokens=1_000_000, bytes=1))
    assert bool(warning) == bool(told)
    assert re.search(told, warning)
    assert epochs_warning(int(tokens), None) == ""


def test_a_small_corpus_at_hand_draws_a_warning(tmp_path: Path) -> None:
    """573 billion tokens on thousands of bases."""
    source = tmp_path / "genome.fa"
    letters = random.Random(1)
    source.write_text("".join(f">c{number}\n{''.join(letters.choices('ACGT', k=900))}\n" for number in range(40)))
    corpus = tmp_path / "corpus"
    prepare([source], corpus)
    given = (f"dataset.corpus={corpus}",)
    plan = make_plan("llama3_8b_genomic", given, gpus=8)
    at_hand = corpus_at_hand(plan.config)
    assert at_hand is not None
    assert at_hand.tokens > 10_000
    assert "memorise" in plan.warnings[-1]
    proposal = make_proposal("llama3_8b_genomic", given, gpus=8)
    text = proposal_text(proposal)
    assert "epochs of" in text
    assert "epochs of the corpus), where a token is one base" in text
    assert "memorise" in proposal_text(proposal)
    assert proposal.disk.corpus == at_hand.bytes
    blend = (f"dataset.corpus=[{{corpus: {corpus}, weight: 1}}, {{corpus: {corpus}, weight: 2}}]",)
    assert corpus_at_hand(make_plan("llama3_8b_genomic", blend, gpus=8).config) == CorpusAtHand(
        tokens=2 * at_hand.tokens, bytes=2 * at_hand.bytes
    )
    absent = make_proposal("llama3_8b_genomic", (f"dataset.corpus={tmp_path}/none",), gpus=8)
    assert absent.corpus is None
    assert "not on this machine" in proposal_text(absent)


def test_json_holds_what_the_text_says() -> None:
    result = subprocess.run([*COMMAND, "--json", "--counts", "8,16"], capture_output=True, text=True, check=True)
    values = json.loads(result.stdout)
    proposal = make_proposal("llama3_8b_genomic", counts=(8, 16))
    assert values == json.loads(json.dumps(proposal_json(proposal)))
    assert [one["gpus"] for one in values["choices"]] == [8, 16]


@pytest.mark.parametrize(
    ("arguments", "kind"), [({"job_seconds": 0}, "short-time-limit"), ({"job_seconds": 1799}, "short-time-limit")]
)
def test_refused_time_limits(arguments: dict[str, float], kind: str) -> None:
    with pytest.raises(InputError) as error:
        make_proposal("llama3_8b_genomic", **arguments)  # type: ignore[arg-type]
    assert error.value.kind == kind


@pytest.mark.parametrize("text", ["8,,16", "eight", "0", "-8", "8.5", "٤"])
def test_refused_counts(text: str) -> None:
    with pytest.raises(InputError) as error:
        gpu_counts(text)
    assert error.value.kind == "gpu-counts"
    assert gpu_counts(" 8, 16,8 ") == (8, 16)
