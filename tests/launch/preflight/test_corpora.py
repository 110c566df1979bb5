"""Corpora that a run cannot learn from are refused at its start."""

from pathlib import Path

import pytest
from corpora import prepare

from configs.compose import compose_config
from foundation.errors import InputError
from launch.preflight.corpora import check_corpora, corpus_findings
from launch.preflight.finding import BROKEN, OK


@pytest.mark.parametrize("more", ["", "A"])
@pytest.mark.parametrize("weight", ["0", "0.1"])
def test_a_corpus_without_a_trainable_base(tmp_path: Path, more: str, weight: str) -> None:
    (tmp_path / "x.fa").write_text(f">a\n{'acgtn' * 40}{more}\n")
    prepare([tmp_path / "x.fa"], tmp_path / "corpus", validation_fraction=0)
    words = [f"dataset.corpus={tmp_path / 'corpus'}", f"dataset.soft_mask_weight={weight}"]
    config = compose_config("train_tiny", words)
    findings = [finding.status for finding in corpus_findings(config)]
    if more or weight != "0":
        check_corpora(config)
        assert findings == [OK]
        return
    with pytest.raises(InputError) as caught:
        check_corpora(config)
    assert (caught.value.kind, caught.value.where) == ("no-trainable-base", tmp_path / "corpus")
    assert findings == [BROKEN]
