"""NeMo's LoRA with different ranks for some modules."""

from dataclasses import dataclass, field
from typing import Any

from nemo.collections.llm.peft.lora import LoRA

from configs.lora import parse_ranks


@dataclass
class PatternLoRA(LoRA):  # type: ignore[misc]
    """`rank_pattern`: `linear_qkv:16` for modules whose rank is not `dim`; all have the same `alpha`."""

    dim: int = 32
    rank_pattern: list[str] = field(default_factory=list)

    def transform(self, m: Any, name: str | None = None, prefix: str | None = None) -> Any:
        """Put an adapter beside the module `m`, where it is a target."""
        dim = self.dim
        self.dim = parse_ranks(self.rank_pattern).get(name or "", dim)
        try:
            return super().transform(m, name, prefix)
        finally:
            self.dim = dim
