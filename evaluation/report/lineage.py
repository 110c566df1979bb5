"""What a run is, by its `config.yaml`: its id, what it started from, and whether it trained adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """`run`: the id; `parameters`: of the model; `base`: the checkpoint whose weights the run started from.

    `lora_dim`, `lora_alpha`: of the adapters that were trained, 0 where every weight was. None is not known: records
    of older runs say less.
    """

    run: str | None
    parameters: int | None
    base: str | None
    finetuned: bool
    lora_dim: int
    lora_alpha: int

    @property
    def sentence(self) -> str:
        """How training began, as a sentence; "" for a model that was trained from random weights."""
        if self.lora_dim:
            base = f"the weights of {self.base}" if self.base else "weights that its record does not name"
            return (
                f"Low-rank adapters of rank {self.lora_dim} (alpha {self.lora_alpha}) on {base}, which stayed frozen."
            )
        if self.base is None:
            return "Fine-tuned, from weights that its record does not name." if self.finetuned else ""
        return f"{'Fine-tuned' if self.finetuned else 'Trained further'} from the weights of {self.base}."


def lineage(settings: Mapping[str, Any]) -> Lineage:
    """Of the content of a `config.yaml`."""
    lora, model = _section(settings, "lora"), _section(settings, "model")
    base, run, parameters = settings.get("init_from"), settings.get("run_id"), model.get("parameters")
    return Lineage(
        run=run if isinstance(run, str) and run else None,
        parameters=parameters if type(parameters) is int else None,
        base=base if isinstance(base, str) and base else None,
        finetuned=settings.get("finetune") is True,
        lora_dim=_integer(lora.get("dim")),
        lora_alpha=_integer(lora.get("alpha")),
    )


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, dict) else {}


def _integer(value: object) -> int:
    return value if type(value) is int else 0
