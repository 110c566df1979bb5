"""Adapters of NeMo or Megatron-Bridge written as a directory of PEFT, and read back."""

import dataclasses
from pathlib import Path

from conversion.adapters.low_rank import Adapter
from conversion.adapters.megatron_adapter import MegatronAdapter
from conversion.adapters.peft_adapter import TENSORS, PeftAdapter
from conversion.adapters.peft_config import NAME
from conversion.adapters.peft_writer import factors, write_peft
from conversion.calibration import with_calibration
from conversion.checkpoint import Checkpoint
from conversion.files.mapped_file import blocks
from conversion.formats import find_adapter, open_checkpoint, read_adapter, recognise
from conversion.origin import origin_of
from conversion.output import check_apart, check_space
from conversion.record import Conversion, TensorRecord, write_record
from conversion.weight_table import Weight, expand
from foundation.atomic import atomic_directory
from foundation.checksum import xxh3_128_of
from foundation.errors import InputError, shown


def export_adapter(
    source: Path, destination: Path, *, base: Path | None, dtype: str | None, overwrite: bool
) -> Conversion:
    """Write the adapters of the checkpoint or run `source` to `destination`, for PEFT, with their head if any.

    Their numbers become `dtype`, by default they stay as stored. The output names `base`, an export of the model that
    they were trained beside, where it is given. Errors: `InputError`.
    """
    directory = find_adapter(source)
    adapter, architecture = read_adapter(directory)
    architecture = with_calibration(dataclasses.replace(architecture, head=adapter.head), directory)
    weights, dtype = expand(architecture), dtype or adapter.dtype
    if base is not None:
        _check_base(open_checkpoint(base), adapter, source)
    check_apart(source, destination)
    check_space(destination, sum(path.stat().st_size for path in adapter.files()))
    with atomic_directory(destination, mark=NAME, overwrite=overwrite) as written:
        named = None if base is None else str(base)
        write_peft(written, adapter, weights, dtype=dtype, base=named, head=architecture.head)
        tensors = _records(adapter, weights, dtype)
        found = PeftAdapter(written, weights)
        scales = {name: adapter.low_rank(name).scale for name in adapter.ranks}
        same = (_records(found, weights, dtype), found.head) == (tensors, architecture.head) and all(
            found.low_rank(name).scale == scale for name, scale in scales.items()
        )
        if not same:
            fix = "The disk or the memory damaged it. Check both, and convert again."
            raise InputError("reads back differently", where=destination, fix=fix, kind="written-differs")
        origin = origin_of(directory)
        return write_record(
            written,
            format="peft",
            source=source,
            checkpoint=directory,
            source_format=recognise(source).name,
            architecture=architecture,
            tensors=tensors,
            optimizer={},
            size=(written / TENSORS).stat().st_size,
            large=frozenset({written / TENSORS}),
            run=origin.run,
            step=origin.step,
            not_finite={},
            adapter_base=base,
        )


def _records(adapter: Adapter, weights: tuple[Weight, ...], dtype: str) -> dict[str, TensorRecord]:
    return {
        name: TensorRecord(shape=array.shape, dtype=dtype, checksum=xxh3_128_of(blocks([array])))
        for name, array in factors(adapter, weights, dtype)
    }


def _check_base(base: Checkpoint, adapter: MegatronAdapter, where: Path) -> None:
    """That the adapters fit the model that is named as theirs."""
    shapes = {name: shape for weight in base.weights for name, shape in weight.hf.items()}
    for name in adapter.ranks:
        change = adapter.low_rank(name)
        wanted = (len(change.outward), change.inward.shape[1])
        if shapes.get(name) != wanted:
            raise InputError(
                f"adapts {name!r} of shape {list(wanted)}, but the base has {shown(shapes.get(name))}",
                where=where,
                fix="Give the export of the base model that the adapters were trained on.",
                kind="tensor-shape",
            )
