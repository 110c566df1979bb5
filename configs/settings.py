"""One row for each setting: its default, its unit and sentence, and where each training engine has it.

`configs.schema` is the table. What builds a recipe, reads one back, records a run or writes the reference page goes
through the rows, so that a setting is added by one of them.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from foundation.typed import MISSING, hints

_KEY = "setting"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One setting. Places are attributes in a row, `trainer.strategy.ddp.overlap_grad_reduce`; a callback is named by
    its class, `trainer.callbacks[StepGuard].spike`. Another engine is another column of places.
    """

    key: str
    type: Any
    default: Any
    sentence: str
    unit: str
    nemo: tuple[str, ...]
    """Places in NeMo's recipe. All are written, and have to agree when they are read."""
    bridge: tuple[str, ...]
    """Places in Megatron-Bridge's configuration (`training.bridge.container`). None: not carried over yet."""
    live: str
    """Place in the objects of a running trainer; the first of `nemo` where it is empty, none for "-"."""
    codec: str
    """How the place writes the value, where it does so in another way: "dtype" or "precision" (`training.places`)."""
    gate: str
    """A place that is None or not there where the setting is `off`; its own places are not written then."""
    off: Any
    needs: str
    """A setting that is not off where this one has an effect; its places are left alone otherwise."""
    unless: str
    """A setting that is off where this one has an effect."""

    def is_off(self, value: Any) -> bool:
        """Whether `value` is the one that leaves out the part of the recipe at `gate`."""
        return bool(self.gate) and value == self.off


def setting(
    sentence: str,
    *,
    default: Any = MISSING,
    factory: Callable[[], Any] | None = None,
    unit: str = "",
    nemo: str | tuple[str, ...] = (),
    bridge: str | tuple[str, ...] = (),
    live: str = "",
    codec: str = "",
    gate: str = "",
    off: Any = None,
    needs: str = "",
    unless: str = "",
) -> Any:
    """A field of the schema that is a row of the table."""
    more = {
        "sentence": sentence,
        "unit": unit,
        "nemo": (nemo,) if isinstance(nemo, str) else nemo,
        "bridge": (bridge,) if isinstance(bridge, str) else bridge,
        "live": live,
        "codec": codec,
        "gate": gate,
        "off": off,
        "needs": needs,
        "unless": unless,
    }
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata={_KEY: more})
    return dataclasses.field(default=default, metadata={_KEY: more})


def rows(schema: type, prefix: str = "") -> Iterator[Row]:
    """The rows of a schema and of its sections, in their order."""
    kinds = hints(schema)
    for field in dataclasses.fields(schema):
        kind = kinds[field.name]
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            yield from rows(kind, f"{prefix}{field.name}.")
        else:
            default = field.default_factory() if callable(field.default_factory) else field.default
            yield Row(key=f"{prefix}{field.name}", type=kind, default=default, **field.metadata[_KEY])


def get_setting(config: Any, key: str) -> Any:
    """The value of `section.name` in a configuration."""
    for part in key.split("."):
        config = getattr(config, part)
    return config


def set_setting(config: Any, key: str, value: Any) -> None:
    """Put `value` at `section.name`."""
    section, _, name = key.rpartition(".")
    setattr(get_setting(config, section) if section else config, name, value)
