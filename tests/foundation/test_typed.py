"""Numbers of any length where a fraction is read: a value or a refusal that names its key."""

from dataclasses import dataclass

import pytest
from refusal import refused

from foundation.typed import from_json, from_settings

LONG = 10**400


@dataclass(frozen=True)
class Rates:
    rate: float
    rates: tuple[float, ...] = ()


def test_a_whole_number_is_a_fraction_too() -> None:
    assert from_settings(Rates, {"rate": 10**300, "rates": [1, 2.5]}) == Rates(1e300, (1.0, 2.5))


@pytest.mark.parametrize(
    ("value", "key"), [({"rate": LONG, "rates": []}, "x.rate"), ({"rate": 1, "rates": [1, -LONG]}, "x.rates[1]")]
)
def test_one_that_no_float_is_near_is_refused(value: object, key: str) -> None:
    for read in (from_json, from_settings):
        with refused("wrong-type", where=key):
            read(Rates, value, "x")
