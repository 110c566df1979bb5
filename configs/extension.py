"""The architecture of a run whose section `rope` extends the context of `config.json`.

Two ways, alone or together: another base of the frequencies (Xiong et al. 2023), and the scaling of Llama 3.1, which
keeps high frequencies and lowers low ones.
"""

import dataclasses
from pathlib import Path

from configs.llama import LlamaArchitecture, check_theta, read_architecture
from configs.rope import RopeScaling
from configs.schema import RopeConfig, TrainConfig
from foundation.errors import InputError

LEAST, MOST = 0.5, 2.0
"""Of new length / old length, what a scaling factor may be: Llama 3.1 has 8, and Llama 3.2 has 32, for 16 times."""


def run_architecture(config: TrainConfig) -> LlamaArchitecture:
    """The architecture that a run trains: that of `model_tag`, extended where `rope` says so. Errors: `InputError`."""
    base = read_architecture(config.model_tag)
    return extended(base, config.rope, config.dataset.sequence_length, where=config.model_tag)


def extended_from(config: TrainConfig) -> LlamaArchitecture | None:
    """The architecture of `model_tag` where the run extends it, else None. Errors: `InputError`."""
    if config.rope.theta is None and config.rope.factor is None:
        return None
    base = read_architecture(config.model_tag)
    return None if run_architecture(config) == base else base


def extended(base: LlamaArchitecture, rope: RopeConfig, length: int | None, *, where: str | Path) -> LlamaArchitecture:
    """`base` for samples of `length` tokens, with the RoPE that `rope` gives it; `base` itself where that says nothing.

    A base that has this RoPE and these positions already is extended, and stays. Errors: `InputError`.
    """
    if rope.theta is None and rope.factor is None:
        return base
    scaling = base.rope_scaling if rope.factor is None else _scaling(base, rope.factor)
    theta = base.rope_theta if rope.theta is None else rope.theta
    if (theta, scaling) == (base.rope_theta, base.rope_scaling) and (length or 0) <= base.max_position_embeddings:
        return base
    if length is None or length <= base.max_position_embeddings:
        raise InputError(
            f"{_describe(rope)} with dataset.sequence_length={'null' if length is None else length}, "
            f"but the model has {base.max_position_embeddings} positions",
            where=where,
            fix=f"Give dataset.sequence_length above {base.max_position_embeddings}, or leave out the section rope.",
            kind="context-not-longer",
        )
    _check_theta(base, theta, where)
    if rope.factor is not None:
        _check_factor(base, rope.factor, length, where)
    return dataclasses.replace(base, rope_theta=theta, rope_scaling=scaling, max_position_embeddings=length)


def _scaling(base: LlamaArchitecture, factor: float) -> RopeScaling:
    """That of Llama 3.1, from the context of `base`, or from the one that its own scaling started from."""
    if base.rope_scaling is not None:
        return dataclasses.replace(base.rope_scaling, factor=factor)
    return RopeScaling(factor=factor, original_max_position_embeddings=base.max_position_embeddings)


def _check_theta(base: LlamaArchitecture, theta: float, where: str | Path) -> None:
    if theta < base.rope_theta:
        raise InputError(
            f"rope.theta={theta:g} is below the model's {base.rope_theta:g}",
            where=where,
            fix="A longer context needs slower frequencies: give a larger base.",
            kind="theta-below-base",
        )
    check_theta(theta, where)


def _check_factor(base: LlamaArchitecture, factor: float, length: int, where: str | Path) -> None:
    original = _scaling(base, factor).original_max_position_embeddings
    ratio = length / original
    before = base.rope_scaling.factor if base.rope_scaling else 1.0
    if not LEAST * ratio <= factor <= MOST * ratio or factor < max(before, 1.0):
        raise InputError(
            f"rope.factor={factor:g} for {length} tokens, {ratio:g} times {original}",
            where=where,
            fix=f"Give {ratio:g}; from {max(LEAST * ratio, before, 1.0):g} to {MOST * ratio:g} can work.",
            kind="scaling-factor",
        )


def _describe(rope: RopeConfig) -> str:
    given = {"rope.theta": rope.theta, "rope.factor": rope.factor}
    return ", ".join(f"{name}={value:g}" for name, value in given.items() if value is not None)
