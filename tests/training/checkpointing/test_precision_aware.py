"""Checkpoints of the precision-aware optimizer, as far as a CPU can tell: Transformer Engine's Adam is not here."""

import json
from pathlib import Path

from nemo_process import run_in_process
from scale_cases import load_as_the_precision_aware_adam_does


def test_what_marks_padding_is_not_loaded_as_state(tmp_path: Path) -> None:
    out, log = tmp_path / "loaded.json", tmp_path / "log"
    assert run_in_process(load_as_the_precision_aware_adam_does, out, log=log) == 0, log.read_text()[-2000:]
    found = json.loads(out.read_text())
    assert "'bool' object has no attribute 'dtype'" in found["error"]  # else Megatron-Core is mended: take ours away
    assert found["loaded"] == ["exp_avg", "exp_avg_sq", "master_param"]
