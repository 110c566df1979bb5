"""What is written for Hugging Face is the same model to transformers 4 and 5, RoPE scaling and all."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import SCALING, save_llama

from conversion.convert import convert

ROOT = Path(__file__).parents[2]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled_tied": {"rope_scaling": SCALING, "tie_word_embeddings": True, "max_position_embeddings": 128},
    "bos_bfloat16": {"bos_token_id": 2, "dtype": "bfloat16"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CASE/source by transformers 4, CASE/hf by way of NeMo 2."""
    folder = tmp_path_factory.mktemp("transformers")
    for case, changes in CASES.items():
        save_llama(folder / case / "source", **changes)
        convert(folder / case / "source", folder / case / "nemo", to="nemo")
        convert(folder / case / "nemo", folder / case / "hf", to="hf")
    return folder


@pytest.fixture(scope="module")
def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """What transformers 5 sees, in an environment of its own; made here where `make test` has not done it."""
    subprocess.run(["make", "--silent", "transformers5"], cwd=ROOT, check=True)
    command = [ROOT / ".venv-transformers5/bin/python", Path(__file__).with_name("transformers5.py")]
    command += [folder / case / "hf" for case in CASES]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={"HF_HUB_OFFLINE": "1"})
    assert run.returncode == 0, run.stderr[-3000:]
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    return {case: json.loads(line) for case, line in zip(CASES, lines, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_transformers_4_and_5_load_the_same_model(case: str, folder: Path, reports: dict[str, dict[str, Any]]) -> None:
    from transformers import AutoModelForCausalLM, __version__

    changes, report = CASES[case], reports[case]
    assert __version__.startswith("4.57.")
    assert report["version"].startswith("5.")
    assert (report["class"], report["loading"]) == ("LlamaForCausalLM", {})

    paths = [folder / case / name for name in ("source", "hf")]
    reference, model = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in paths)
    tokens = torch.randint(0, 256, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, logits = reference(tokens).logits, model(tokens).logits
    assert torch.equal(logits, expected)
    theirs = torch.from_numpy(np.fromfile(folder / case / "hf" / "logits5", "f4")).view(2, 40, 256)
    torch.testing.assert_close(theirs, expected, rtol=0, atol=1e-4)

    assert report["inv_freq"] == reference.model.rotary_emb.inv_freq.tolist()
    assert report["dtype"] == f"torch.{changes.get('dtype', 'float32')}"
    assert report["tied"] is changes.get("tie_word_embeddings", False)
    assert report["special"] == [changes.get("bos_token_id"), 0, 1]
    assert report["bos_token"] == ("<BOS>" if "bos_token_id" in changes else None)
    assert (report["tokens"], report["text"]) == (list(b"ACGTNacgt"), "ACGT")
    assert report["generated"] > 4
