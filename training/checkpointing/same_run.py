"""Whether a run can resume from its own checkpoints: from names and JSON alone, before anything heavy is imported.

What a run was trained with lies in `manifest.json` of each of its checkpoints, under `trained_with`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from conversion.locate import is_unfinished, newest_first
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from corpus import synthetic
from foundation.errors import InputError
from foundation.metrics_log import NAME as METRICS
from foundation.typed import to_json
from training.data.order import NUCLEOTIDE_IDS, check_same, document_multiple, order_settings
from training.data.sources import Source, parse_sources
from training.heads.order import head_order
from training.metrics.clock import rows

MAY_CHANGE = ("max_position_embeddings", "initializer_range", "dtype", "bos_token_id")
"""Of the architecture: what says how long samples are, how weights began, or how they are computed with."""


def trained_with(
    order: Mapping[str, Any],
    architecture: LlamaArchitecture,
    *,
    lora_dim: int,
    lora_alpha: int,
    lora_ranks: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What must not change when a run resumes: the order of its samples (`order_settings`), and its model.

    `lora_alpha` scales what adapters of rank `lora_dim` add, `lora_ranks` are those of each layer; they mean nothing
    where `lora_dim` is 0, and are left out.
    """
    model = {key: value for key, value in to_json(architecture).items() if key not in MAY_CHANGE}
    adapters: dict[str, Any] = {"lora_dim": lora_dim, **({"lora_alpha": lora_alpha} if lora_dim else {})}
    if lora_ranks:
        adapters["lora_ranks"] = dict(lora_ranks)
    return {**order, **model, **adapters}


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint that a run resumes from: the newest that has a manifest; None if there is no checkpoint.

    Errors: `InputError` if there are checkpoints but none has a manifest. They may be incomplete, and starting again
    from step 0 is not what the user asked for.
    """
    found = [path for path in newest_first(folder) if not path.is_symlink()]
    if whole := [path for path in found if (path / MANIFEST).is_file()]:
        return whole[0]
    if unknown := [path for path in found if not is_unfinished(path)]:
        raise InputError(
            f"has no {MANIFEST}, so it may be incomplete",
            where=unknown[0],
            fix="Give it as init_from with another run_dir, or move it out of the run directory.",
            kind="checkpoint-unknown",
        )
    return None


def lost_step(run: Path) -> int | None:
    """The last step of a run that saved checkpoints, by its log, and has none: a disk may be missing."""
    if newest_whole(run / "checkpoints") is not None:
        return None
    lines = rows(run / METRICS)
    saved = any("checkpoint_seconds" in line for line in lines)
    return max((int(line["step"]) for line in lines if "loss" in line), default=None) if saved else None


def check_same_run(folder: Path, now: Mapping[str, Any], sources: Sequence[Source]) -> None:
    """Check that the checkpoint of `newest_whole` was trained with `now` (as of `trained_with`) and `sources`.

    A manifest that is damaged is left to the check of the whole checkpoint, and the one before it is asked.
    Errors: `InputError` that names each difference, with both values.
    """
    newest_whole(folder)
    for path in newest_first(folder):
        try:
            manifest = read_manifest(path)
        except InputError:
            continue
        if manifest is not None:
            check_same(manifest.trained_with, now, where=path, sources=sources)
            return


def check_resume(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """The same for a run that is about to start with `config`. Errors: `InputError`."""
    lora = config.lora
    adapters: dict[str, Any] = {"lora_dim": lora.dim, "lora_alpha": lora.alpha, "lora_ranks": lora.ranks}
    folder = Path(config.run_dir) / "checkpoints"
    if config.head.kind != "none":
        if newest_whole(folder) is not None:
            order = head_order(config, sequence_length)
            check_same_run(folder, trained_with(order, architecture, **adapters), ())
        return
    sources = parse_sources(config.dataset.corpus)
    if any(source.corpus == Path(synthetic.CORPUS) and not source.corpus.exists() for source in sources):
        return  # it is prepared at the start, and compared when the checkpoint is loaded
    order = order_settings(
        sources,
        mode=config.dataset.mode,
        stride=config.dataset.stride,
        seq_length=sequence_length,
        multiple=document_multiple(config.parallelism.context),
        seed=config.seed,
        tokenizer=NUCLEOTIDE_IDS,
    )
    check_same_run(folder, trained_with(order, architecture, **adapters), sources)
