"""What the import of NeMo leaves out of it."""

from pathlib import Path

from cases import nothing_put_off_is_imported
from nemo_process import run_in_process


def test_what_no_run_uses_is_not_imported(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_in_process(nothing_put_off_is_imported, log=log) == 0, log.read_text()[-2000:]
