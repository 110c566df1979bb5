"""The tasks for lm-evaluation-harness: their files, and the data that they read."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from refusal import refused

from scripts.lm_eval_data import main, needle_rows, variant_rows

TASKS = Path(__file__).parents[2] / "configs" / "evaluation" / "lm_eval"
GENOME = "ACGTTGCAAGGCTGACGGTACATTGACCATGACCGATTTACG"
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The files that the tasks name, as the script writes them."""
    (tmp_path / "g.fa").write_text(f">c\n{GENOME}\n")
    (tmp_path / "v.vcf").write_text(
        HEADER + "c\t20\t.\tA\tG\t.\t.\t.\nc\t23\t.\tT\tTCC\t.\t.\t.\nc\t1\t.\tG\tT\t.\t.\t.\n"
    )
    main(["needle", "--distances", "64", "--samples", "2", "--out", str(tmp_path / "needle.jsonl")])
    files = ("--fasta", str(tmp_path / "g.fa"), "--vcf", str(tmp_path / "v.vcf"), "--window", "16")
    main(["variants", *files, "--out", str(tmp_path / "variant_pairs.jsonl")])
    return tmp_path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_needles_come_again() -> None:
    (first, second) = needle_rows([100], 2, 0)
    for row in (first, second):
        context, target = str(row["context"]), str(row["target"])
        assert len(context) == 100 + 16
        assert len(target) == 48
        assert context[:64] == context[-16:] + target
    assert first["context"] != second["context"]


def test_pairs_are_two_sequences_of_one_context(data: Path) -> None:
    """A substitution and an insertion, by hand; the third variant's REF is not the genome's."""
    one, other = rows(data / "variant_pairs.jsonl")
    assert one["context"] + one["reference"] == GENOME[11:27]
    assert one["context"] + one["alternative"] == GENOME[11:19] + "G" + GENOME[20:27]
    assert (one["reference"][0], one["alternative"][0]) == ("A", "G")
    assert other["context"] + other["alternative"] == (GENOME[14:23] + "CC" + GENOME[23:])[:16]
    assert other["reference"][0] != other["alternative"][0]


def test_variants_of_another_genome_are_refused(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">c\nTTTT\n")
    (tmp_path / "v.vcf").write_text(HEADER + "c\t1\t.\tA\tG\t.\t.\t.\n")
    with refused("vcf-foreign", where="v.vcf"):
        list(variant_rows(tmp_path / "g.fa", tmp_path / "v.vcf", 16))


@pytest.mark.parametrize("path", sorted(TASKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_task_reads_what_is_written(data: Path, path: Path) -> None:
    """Every field that its templates name is in each line; nothing is put between what the model reads and scores."""
    task = yaml.safe_load(path.read_text())
    assert task["task"] == path.stem
    assert task["target_delimiter"] == ""
    assert task["output_type"] in ("loglikelihood", "multiple_choice")
    (file,) = task["dataset_kwargs"]["data_files"].values()
    templates = " ".join(str(task[key]) for key in ("doc_to_text", "doc_to_target", "doc_to_choice") if key in task)
    named = set(re.findall(r"[a-z]+", " ".join(re.findall(r"{{(.*?)}}", templates))))
    assert named
    assert all(named <= set(row) for row in rows(data / file))


@pytest.mark.torture
@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm_eval is not installed")
def test_the_harness_runs_them(data: Path, tiny_export: Path) -> None:
    tasks = ",".join(str(path) for path in sorted(TASKS.glob("*.yaml")))
    command = ["-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={tiny_export},dtype=float32"]
    command += ["--tasks", tasks, "--device", "cpu", "--output_path", str(data / "out")]
    offline = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, *command], cwd=data, env=os.environ | offline, check=True)
    (result,) = (data / "out").rglob("results*.json")
    assert set(json.loads(result.read_text())["results"]) == {path.stem for path in TASKS.glob("*.yaml")}


@pytest.fixture
def tiny_export(tmp_path: Path) -> Path:
    from tiny_llama import save_tiny_llama

    from conversion.convert import convert

    return Path(
        convert(save_tiny_llama(tmp_path / "llama", positions=256), tmp_path / "model", to="hf") and tmp_path / "model"
    )
