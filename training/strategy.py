"""NeMo's Megatron strategy, which compares the files of a checkpoint with their manifest before it loads them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from nemo import lightning as nl
from nemo.lightning.resume import AdapterPath

from conversion.locate import DAMAGED, misnamed, newest_first
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from foundation.errors import InputError
from foundation.terminal import warn
from training.checkpointing.folder import set_aside
from training.checkpointing.seal import damage
from training.fp8_weights import finish_updates
from training.heads.model import keep_head


class GenomicMegatronStrategy(nl.MegatronStrategy):  # type: ignore[misc]
    """`MegatronStrategy` that resumes from the newest checkpoint that is undamaged, and says so.

    It has no `__init__` of its own, because NeMo records a strategy's arguments by the signature of that.
    """

    def setup(self, trainer: Any) -> None:
        """Connect the ranks. Errors: `InputError` if their number differs from the trainer's."""
        asked, found = trainer.num_nodes * trainer.num_devices, torch.distributed.get_world_size()
        if found != asked:
            raise InputError(
                f"the trainer expects {asked} ranks, but {found} joined",
                where=f"devices={trainer.num_devices}, num_nodes={trainer.num_nodes}",
                fix="Start as many ranks as devices x num_nodes, or change these.",
                kind="world-size",
            )
        super().setup(trainer)

    def load_checkpoint(self, checkpoint_path: Any, selective_restore: bool = False) -> dict[str, Any]:
        """The checkpoint. If it is damaged and the run's own, it is set aside and the newest undamaged one is returned.

        One that the user named (`init_from`, also the base of adapters) is compared too where it has a manifest, and
        refused. Errors: `InputError` naming the files that are damaged.
        """
        directory = _directory(checkpoint_path)
        own = self.trainer.checkpoint_callback and self.trainer.checkpoint_callback.dirpath
        if not selective_restore and own and directory.parent.resolve() == Path(own).resolve():
            path = self._newest_undamaged(directory) / "weights"
            if isinstance(checkpoint_path, AdapterPath):
                _refuse_damaged(_directory(checkpoint_path.base_model_path))
                path = AdapterPath(path, base_model_path=checkpoint_path.base_model_path)
            self.trainer.ckpt_path = checkpoint_path = path
        else:
            _refuse_damaged(directory)
        base = checkpoint_path.base_model_path if isinstance(checkpoint_path, AdapterPath) else checkpoint_path
        with keep_head(self.megatron_parallel, _directory(base) / "weights"):
            loaded: dict[str, Any] = super().load_checkpoint(checkpoint_path, selective_restore)
        return loaded

    def validation_step(self, dataloader_iter: Any, *args: Any, **kwargs: Any) -> Any:
        """NeMo's, without its `val_loss`: `training.metrics.run_log` logs the exact one under that name.

        NeMo has Lightning average the steps, weighted by a batch size that Lightning guesses from what a step returns:
        1 for the first, the micro-batch size for the others.
        """
        with self.precision_plugin.val_step_context():
            return self.model.validation_step(dataloader_iter, *args, **kwargs)

    def setup_optimizers(self, trainer: Any) -> None:
        super().setup_optimizers(trainer)
        for optimizer in self._megatron_optimizers():
            finish_updates(optimizer)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any], selective_restore: bool = False) -> None:
        for optimizer in self._megatron_optimizers():
            leave_out_padding(optimizer)
        super().load_optimizer_state_dict(checkpoint, selective_restore)

    def _megatron_optimizers(self) -> Iterator[Any]:
        """Megatron-Core's own, one by one: NeMo wraps them, and Megatron-Core chains several."""
        for optimizer in self.optimizers:
            yield from getattr(optimizer.mcore_optimizer, "chained_optimizers", [optimizer.mcore_optimizer])

    def _newest_undamaged(self, newest: Path) -> Path:
        """`newest`, or the first undamaged one before it. The same on every rank."""
        others = [path for path in newest_first(newest.parent) if not path.is_symlink() and (path / MANIFEST).is_file()]
        damaged: dict[Path, list[str]] = {}
        for checkpoint in [newest, *(path for path in others if path != newest)]:
            if not (problems := misnamed(checkpoint) or _problems(checkpoint)):
                break
            damaged[checkpoint] = problems
        else:
            each = "; ".join(f"in {path.name} {_shown(problems)}" for path, problems in damaged.items())
            raise InputError(
                f"every checkpoint is damaged: {each}",
                where=newest.parent,
                fix="Copy one again, or start another run from undamaged weights (init_from).",
                kind="all-checkpoints-damaged",
            )
        torch.distributed.barrier()  # all have looked
        if torch.distributed.get_rank() == 0:
            for path, problems in damaged.items():
                warn(f"{path} is damaged and set aside as {set_aside(path, DAMAGED).name}: {_shown(problems)}")
            warn(f"resuming from {checkpoint}, {'the newest undamaged one' if damaged else 'verified'}")
        torch.distributed.barrier()
        return checkpoint


def leave_out_padding(optimizer: Any) -> None:
    """Let Megatron-Core's distributed optimizer load the state of the precision-aware Adam from its own checkpoints.

    Beside the tensors of a parameter it stores whether they are padding, and hands that to Transformer Engine's Adam as
    if it were one of them, which fails (megatron-core 0.15.3, distrib_optimizer.py:
    `sharded_param_state_dp_reshardable`, `_set_main_param_and_optimizer_states`; Megatron-Bridge, issue 1730).
    """
    if not hasattr(optimizer, "_set_main_param_and_optimizer_states"):
        return  # not distributed
    load = type(optimizer)._set_main_param_and_optimizer_states

    def load_tensors(parameter: torch.Tensor, tensors: Mapping[str, Any]) -> None:
        load(optimizer, parameter, {name: tensor for name, tensor in tensors.items() if name != "padding"})

    optimizer._set_main_param_and_optimizer_states = load_tensors


def _directory(path: Any) -> Path:
    """The checkpoint that NeMo means by `path`, which may be its `weights`."""
    directory = Path(str(path))
    return directory.parent if directory.name == "weights" else directory


def _refuse_damaged(directory: Path) -> None:
    if (directory / MANIFEST).exists() and (problems := _problems(directory)):
        raise InputError(
            _shown(problems),
            where=directory,
            fix="Copy the checkpoint again, or give another.",
            kind="checkpoint-damaged",
        )


def _problems(directory: Path) -> list[str]:
    try:
        manifest = read_manifest(directory)
    except InputError as error:
        return [str(error)]
    assert manifest is not None, directory
    return damage(directory, manifest)


def _shown(problems: list[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0] + more
