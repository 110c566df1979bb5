"""What a test asserts of a refusal: its kind and its fields, never its sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from foundation.errors import InputError


@contextmanager
def refused(
    kind: str, *, where: object = None, fix: str = "", names: str = ""
) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """Fail unless the block raises an `InputError` of this `kind`.

    where
        What the error's `where` ends with: a file, and the record, line or key in it.
    fix
        A word of the user's that its `fix` has: an option, a name, a number.
    names
        A value of the user's that its `problem` names.
    """
    with pytest.raises(InputError) as caught:
        yield caught
    error = caught.value
    assert error.kind == kind, error
    assert where is None or str(error.where).endswith(str(where)), (error.where, where)
    assert fix in error.fix, (error.fix, fix)
    assert names in error.problem, (error.problem, names)
