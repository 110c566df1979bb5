"""A synchronous checkpoint of the tiny recipe, and writing and syncing the same bytes.

    python -m benchmarks.checkpointing [--saves 6]           a minute

A save is all that training waits for: state gathered, files written and synced, checksums and manifest.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saves", type=int, default=6, help="of which the first is a warm-up")
    parser.add_argument("--directory", type=Path, help="a directory of the disk")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as folder:
        saves, writes, size = measure(Path(folder), given.saves)
    ratio = statistics.median(save / write for save, write in zip(saves, writes, strict=True))
    print(f"| {size / 1e6:.0f} MB | seconds: median (range) | ratio |\n| --- | ---: | ---: |")
    for what, rows, last in (("a save", saves, f"**{ratio:.1f} x**"), ("write + sync", writes, "")):
        print(f"| {what} | {statistics.median(rows):.3f} ({min(rows):.3f} to {max(rows):.3f}) | {last} |")


def measure(folder: Path, saves: int) -> tuple[list[float], list[float], int]:
    """Seconds of each save but the first, of writing what it wrote right after it, and its bytes."""
    import fiddle
    from lightning.pytorch.callbacks import Callback

    from benchmarks.start import prepared
    from configs.compose import compose_config
    from launch.preflight.check import check_config
    from recipes.nemo_import import build_recipe

    took, wrote, sizes = [], [], []

    class TimeSaves(Callback):  # type: ignore[misc]
        def on_train_start(self, trainer: Any, *_: Any) -> None:
            save = trainer.save_checkpoint

            def timed(filepath: Any, *args: Any, **kwargs: Any) -> None:
                began = time.perf_counter()
                save(filepath, *args, **kwargs)
                took.append(time.perf_counter() - began)
                seconds, size = write_again(Path(str(filepath).removesuffix(".ckpt")), folder / "again")
                wrote.append(seconds)
                sizes.append(size)

            trainer.save_checkpoint = timed

    words = [f"dataset.corpus={prepared(folder)}", f"run_dir={folder / 'run'}", f"trainer.max_steps={saves}"]
    words += ["trainer.checkpoint_every=1", f"trainer.validate_every={saves + 1}", "dataset.global_batch_size=4"]
    config = compose_config("train_tiny", words)
    task = fiddle.build(build_recipe(config, *check_config(config)))
    task.keywords["trainer"].callbacks.append(TimeSaves())
    task()
    return took[1:], wrote[1:], sizes[-1]


def write_again(checkpoint: Path, copy: Path) -> tuple[float, int]:
    """Seconds of writing and syncing files of the same sizes, from memory; their bytes."""
    contents = [path.read_bytes() for path in checkpoint.rglob("*") if path.is_file()]
    copy.mkdir()
    began = time.perf_counter()
    for number, content in enumerate(contents):
        with open(copy / str(number), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    shutil.rmtree(copy)
    return seconds, sum(map(len, contents))


if __name__ == "__main__":
    main()
