"""Rows of published tables: cells stand under their columns, or the row is refused."""

from pathlib import Path

import pytest
from refusal import refused

from evaluation.zero_shot.rows import read_rows


@pytest.mark.parametrize("row", ["chr1,5,A,extra", "chr1", "a,title,above,the,table"])
def test_a_row_of_another_width_is_refused(row: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"contig,position,note\nchr1,4,x\n{row}\n")
    with refused("table-row", where=f"{path}, line 3", names="the header has 3"):
        list(read_rows(path, ("contig", "position")))


def test_empty_cells_at_the_end_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("contig,position,note\nchr1,4\nchr1,5,x,,\n")
    rows = list(read_rows(path, ("contig", "position")))
    assert [(row.position("position"), row.text("note")) for row in rows] == [(4, ""), (5, "x")]
