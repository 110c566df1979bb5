"""The Hydra front door: `python -m recipes.train --config-name train_tiny key=value …`."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Train, and tell the script of the job where that failed. Returns the exit status."""
    from training.stops import say_status

    try:
        status = _train(arguments)
    except Exception:
        say_status(1)
        raise
    if status:
        say_status(status)
    return status


def _train(arguments: list[str] | None) -> int:
    """Compose the configuration, build the recipe, run it."""
    from configs.compose import compose_config, config_names
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
    parser.add_argument("--dryrun", action="store_true", help="print the NeMo recipe and stop")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="Hydra overrides")
    given = parser.parse_intermixed_args(arguments)
    turn_off_telemetry()
    from launch.preflight.check import check_config
    from launch.preflight.machine import meeting_place, room_for_checkpoints
    from launch.preflight.start import check_start, warn
    from training.checkpointing.same_run import check_resume
    from training.stops import install_signal_handlers

    try:
        config = compose_config(given.config_name, given.overrides, directory=given.config_dir)
        architecture, sequence_length = check_config(config)
        warn(config)
        if given.cfg:
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(config), end="")
            return 0
        if not given.dryrun:
            install_signal_handlers(Path(config.run_dir))
            check_start(config, architecture)
            check_resume(config, architecture, sequence_length)
        if given.quiet:
            _hush()
        from recipes.recipe import pretrain_recipe

        recipe = pretrain_recipe(config)
        if given.dryrun:
            print(recipe)
            return 0
        import fiddle

        with room_for_checkpoints(Path(config.run_dir)), meeting_place():
            fiddle.build(recipe)()
    except (InputError, OSError) as error:
        print(f"error: {described(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _hush() -> None:
    """Turn down the start-up chatter of the libraries; what goes wrong still shows."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from nemo.utils import logging as nemo_logging

    nemo_logging.set_verbosity(nemo_logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
