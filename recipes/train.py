"""Training from a configuration: `python -m recipes.train --config-name train_tiny key=value …`.

`genomic-llama train` is the same, without the working directory on Python's import path.
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Train, and tell the script of the job where that failed. Returns the exit status."""
    if shadow := _shadowing_module():
        fix = "Start from another directory, or use `genomic-llama train`, which does not import from this one."
        print(f"error: {shadow}: hides a folder of this project. {fix}", file=sys.stderr)
        return 1
    from training.stops import report_status

    try:
        status = _train(arguments)
    except Exception:
        report_status(1)
        raise
    if status:
        report_status(status)
    return status


def _train(arguments: list[str] | None) -> int:
    """Compose the configuration, build the recipe, run it."""
    from configs.compose import config_names
    from foundation.errors import InputError, described
    from foundation.telemetry import turn_off_telemetry

    parser = argparse.ArgumentParser(
        prog="python -m recipes.train",
        description="Pretrain with a Hydra configuration. Configurations: " + ", ".join(config_names()),
        epilog="example: python -m recipes.train --config-name train_tiny trainer.max_steps=20 optimizer.lr=1e-3",
    )
    parser.add_argument("--config-name", required=True, help="one of the above, or a file of --config-dir")
    parser.add_argument("--config-dir", type=Path, help="directory of a configuration of your own")
    parser.add_argument("--cfg", action="store_true", help="print the resolved configuration and stop")
    parser.add_argument("--quiet", action="store_true", help="show progress and errors alone; logs stay in run_dir")
    parser.add_argument("--dryrun", "--dry-run", action="store_true", help="print the NeMo recipe and stop")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings: docs/configuration.md")
    given = parser.parse_intermixed_args(arguments)
    turn_off_telemetry()
    try:
        train(
            given.config_name,
            given.overrides,
            directory=given.config_dir,
            print_config=given.cfg,
            dryrun=given.dryrun,
            quiet=given.quiet,
        )
    except (InputError, OSError) as error:
        print(f"error: {described(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def train(
    name: str,
    words: Sequence[str],
    *,
    directory: Path | None = None,
    print_config: bool = False,
    dryrun: bool = False,
    quiet: bool = False,
) -> None:
    """Train with the configuration `name` of `configs/`, or of `directory`, and `key=value` words.

    `print_config` and `dryrun` print the configuration or NeMo's recipe instead. Errors: `InputError`, `OSError`;
    `SystemExit` where a run is asked to stop (`training.status`).
    """
    from configs.compose import compose_config, to_yaml
    from foundation.heartbeat import HEARTBEAT
    from launch.preflight.check import check_config
    from launch.preflight.checks import Run, refuse_first
    from launch.preflight.machine import explain_full_disk, explain_rendezvous_failure
    from launch.preflight.start import warn
    from training.ranks import started_ranks
    from training.stops import install_signal_handlers

    ranks = started_ranks()
    begin = (lambda what: None) if print_config or dryrun or (ranks and ranks.rank) else HEARTBEAT.begin
    with HEARTBEAT:
        begin(f"{name}: checking the configuration, the corpus and this machine")
        config = compose_config(name, words, directory=directory)
        architecture, sequence_length = check_config(config)
        warn(config)
        if print_config:
            print(to_yaml(config), end="")
            return
        if not dryrun:
            install_signal_handlers(Path(config.run_dir))
            refuse_first(Run(config=config, architecture=architecture, sequence_length=sequence_length))
        if config.engine == "bridge" and not dryrun:
            begin("importing Megatron-Bridge, which takes half a minute")
            from recipes.bridge import run

            with explain_full_disk(Path(config.run_dir)), explain_rendezvous_failure():
                run.train(config, architecture, sequence_length)
            return
        begin("importing NeMo and Megatron-Core")
        if quiet:
            _quiet_libraries()
        from recipes.nemo_import import build_recipe

        if quiet:
            _quiet_nemo()
        recipe = build_recipe(config, architecture, sequence_length)
        if dryrun:
            print(recipe)
            return
        import fiddle

        begin(f"setting up {config.run_dir}: {architecture.parameters:,} parameters, optimizer, data")
        with explain_full_disk(Path(config.run_dir)), explain_rendezvous_failure():
            fiddle.build(recipe)()


def _shadowing_module() -> str:
    """A module of the working directory that Python would import in place of one of ours; "" where there is none."""
    home = Path(__file__).resolve().parents[1]
    for name in ("configs", "conversion", "corpus", "evaluation", "foundation", "launch", "tokenizer", "training"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin and Path(spec.origin).resolve().parent != home / name:
            return spec.origin
    return ""


def _quiet_libraries() -> None:
    """Turn down the start-up chatter of the libraries; what goes wrong still shows."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _quiet_nemo() -> None:
    """The same for NeMo's messages, once it is imported."""
    from nemo.utils import logging as nemo_logging

    nemo_logging.set_verbosity(nemo_logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
