"""Every base is a scored target exactly once, with the promised context, whatever the lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.likelihood.windows import plan_windows


@given(st.data(), st.integers(0, 300), st.integers(1, 40))
def test_every_base_once_with_its_context(data: st.DataObject, length: int, context: int) -> None:
    stride = data.draw(st.integers(1, context))
    scored = []
    for window in plan_windows(length, context_length=context, stride=stride):
        assert 0 <= window.start < window.end <= length - 1
        assert window.length == min(context, length - 1)
        for target in range(window.first_target, window.end + 1):
            assert target - window.start >= min(target, context - stride)
            scored.append(target)
    assert scored == list(range(1, length))


def test_a_stride_of_one_gives_every_base_the_whole_context() -> None:
    for window in plan_windows(50, context_length=8, stride=1):
        if window.start:
            assert (window.first_target, window.first_target - window.start) == (window.end, 8)


@pytest.mark.parametrize("stride", [0, 9])
def test_an_impossible_stride_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match="stride"):
        list(plan_windows(50, context_length=8, stride=stride))
