"""Settings as they are written on the command line, and in Python."""

from foundation.spelling import option, spelt_for_python


def test_an_option_is_spelt_for_its_caller() -> None:
    given = [("batch_size", None), ("length", 20), ("alphabet", "ACGT"), ("overwrite", True), ("gc", (0.4, 0.6))]
    assert [option(*one) for one in given] == [
        "--batch-size", "--length 20", "--alphabet ACGT", "--overwrite", "--gc 0.4-0.6",
    ]  # fmt: skip
    with spelt_for_python():
        assert [option(*one) for one in given] == [
            "batch_size", "length=20", "alphabet='ACGT'", "overwrite=True", "gc=(0.4, 0.6)",
        ]  # fmt: skip
    assert option("length") == "--length"
