"""Which linear layers get low-rank adapters, and of what rank: by NeMo's names of the fused layers of Megatron."""

from collections.abc import Iterable, Mapping

from foundation.errors import InputError, shown

MODULES = ("linear_qkv", "linear_proj", "linear_fc1", "linear_fc2")
"""Of each block: query, key and value; what follows attention; gate and up; down."""

_FIX = f"Give linear_qkv:16, for example; known: {', '.join(MODULES)}."


def adapter_ranks(dim: int, targets: Iterable[str] = MODULES, pattern: Iterable[str] = ()) -> dict[str, int]:
    """The rank of the adapters beside each of `targets`: `dim`, or that of `pattern`. Empty where `dim` is 0.

    Errors: `InputError` for a module that is not one of `MODULES`, or that has a rank but is not a target.
    """
    wanted, ranks = tuple(targets), parse_ranks(pattern)
    if unknown := [name for name in wanted if name not in MODULES]:
        raise InputError(f"names {shown(unknown[0])}", where="lora.target_modules", fix=_FIX, kind="lora-module")
    if dim and not wanted:
        raise InputError("is empty", where="lora.target_modules", fix=_FIX, kind="lora-module")
    if others := ranks.keys() - {*wanted}:
        problem = f"has {min(others)}, which is not in lora.target_modules"
        raise InputError(problem, where="lora.rank_pattern", fix="Add it there.", kind="lora-module")
    return {name: ranks.get(name, dim) for name in MODULES if name in wanted} if dim else {}


def parse_ranks(pattern: Iterable[str]) -> dict[str, int]:
    """`linear_qkv:16` as a module and its rank. Errors: `InputError`."""
    ranks: dict[str, int] = {}
    for word in pattern:
        name, _, rank = word.partition(":") if isinstance(word, str) else ("", "", "")
        if name not in MODULES or not (rank.isascii() and rank.isdecimal() and len(rank) < 7 and int(rank)):
            raise InputError(f"has {shown(word)}", where="lora.rank_pattern", fix=_FIX, kind="lora-rank-pattern")
        ranks[name] = int(rank)
    return ranks


def all_ranks(dim: int | Mapping[str, int]) -> Mapping[str, int]:
    """The rank of each module, where one number stands for all."""
    return dict.fromkeys(MODULES, dim) if isinstance(dim, int) else dim
