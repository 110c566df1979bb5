"""Conversion against its peers, on the same checkpoint in the same run; prints a table in Markdown.

    python -m benchmarks.conversion                 4 full-width layers, 1.76 GB: peers, and cp + sync
    python -m benchmarks.conversion --size 8b       all 32 layers, 13.96 GB, there and back under a limit of memory

Every measurement is a process of its own, imports included; memory is the peak of anonymous memory (RssAnon: what
cannot be dropped and read again) of it and its children. `cp` and ours take turns, since disks are noisy.
"""

import argparse
import dataclasses
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Measurement, measure
from configs.llama import read_architecture
from conversion.huggingface.model_directory import ModelDirectoryWriter
from conversion.record import read_record
from conversion.weight_table import expand

LAYERS = {"4-layers": 4, "8b": 32}
GIGABYTE = 1_000_000_000
PEERS = {
    "NeMo 2.7.3 `llm.import_ckpt`": ("-m", "benchmarks.peers.nemo_import"),
    "transformers load, Megatron-Core save": ("-m", "benchmarks.peers.load_and_save"),
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=LAYERS, default="4-layers")
    parser.add_argument("--repeat", type=int, default=3, help="rounds of cp and ours")
    parser.add_argument("--limit", type=float, default=4.0, help="GB of memory (RLIMIT_DATA) for ours at size 8b")
    parser.add_argument("--directory", type=Path, help="where there is room, three times the checkpoint")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        folder = Path(name)
        write_random_model(folder / "hf", LAYERS[arguments.size])
        if arguments.size == "8b":
            there_and_back(folder, arguments.limit)
        else:
            against_peers(folder, arguments.repeat)


def write_random_model(directory: Path, layers: int, changes: Mapping[str, int] | None = None) -> None:
    """A Hugging Face model of the 8B's width, or with `changes`, with random bfloat16 weights."""
    import numpy as np

    base = read_architecture("llama3_8b_genomic_config")
    architecture = dataclasses.replace(base, num_hidden_layers=layers, **(changes or {}))
    random = np.random.default_rng(0)
    directory.mkdir()
    with ModelDirectoryWriter(directory, architecture, "hf") as writer:
        for weight in expand(architecture):
            bits = [random.integers(0, 1 << 16, shape, dtype="<u2") for shape in weight.hf.values()]
            writer.write(weight, [[numbers & np.uint16(0xBFFF)] for numbers in bits])  # of magnitude below 2


def ours(source: Path, destination: Path, to: str) -> list[str]:
    """The command line of a conversion."""
    return [str(Path(sys.executable).with_name("genomic-llama")), "convert", str(source), str(destination), "--to", to]


def against_peers(folder: Path, repeat: int) -> None:
    """`cp`, ours in both directions, and the peers."""
    source, size = folder / "hf", sum(path.stat().st_size for path in (folder / "hf").iterdir())
    copies, imports, exports = [], [], []
    for _ in range(repeat):
        copies.append(measure(["sh", "-c", f"cp -r {source} {folder}/copy && sync"]))
        shutil.rmtree(folder / "copy")
        imports.append(measure(ours(source, folder / "nemo", "nemo")))
        exports.append(measure(ours(folder / "nemo", folder / "back", "hf")))
        same(source, folder / "back")
        shutil.rmtree(folder / "nemo")
        shutil.rmtree(folder / "back")
    rows = {
        "`cp` + `sync`": median(copies),
        "ours, HF to NeMo 2": median(imports),
        "ours, NeMo 2 to HF": median(exports),
    }
    for name, module in PEERS.items():
        rows[name] = measure([sys.executable, *module, str(source), str(folder / "peer")])
        shutil.rmtree(folder / "peer")
    mine, disk = rows["ours, HF to NeMo 2"].seconds, rows["`cp` + `sync`"].seconds
    print(f"\n{size / GIGABYTE:.2f} GB, {repeat} rounds, median\n")
    print("| HF to NeMo 2 (unless said) | seconds | x ours | x `cp` + `sync` | anonymous memory, GB | x checkpoint |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        speed = f"{row.seconds:.1f} | {row.seconds / mine:.1f} | {row.seconds / disk:.2f}"
        print(f"| {name} | {speed} | {row.anonymous / GIGABYTE:.2f} | {row.anonymous / size:.2f} |")


def there_and_back(folder: Path, limit: float) -> None:
    """The 8B to NeMo 2 and back, each under `limit` GB, and the same bits in the end."""
    source, size = folder / "hf", sum(path.stat().st_size for path in (folder / "hf").iterdir())
    bound = int(limit * GIGABYTE)
    rows = {"`cp` + `sync`": measure(["sh", "-c", f"cp -r {source} {folder}/copy && sync"])}
    shutil.rmtree(folder / "copy")
    rows["HF to NeMo 2"] = measure(ours(source, folder / "nemo", "nemo"), limit=bound)
    rows["NeMo 2 to HF"] = measure(ours(folder / "nemo", folder / "back", "hf"), limit=bound)
    same(source, folder / "back")
    print(f"\n{size / GIGABYTE:.2f} GB, anonymous memory limited to {limit:g} GB; the round trip gave the same bits\n")
    disk = rows["`cp` + `sync`"].seconds
    print("| work | seconds | x `cp` + `sync` | anonymous memory, GB |")
    print("| --- | ---: | ---: | ---: |")
    for name, row in rows.items():
        print(f"| {name} | {row.seconds:.0f} | {row.seconds / disk:.2f} | {row.anonymous / GIGABYTE:.2f} |")


def same(source: Path, back: Path) -> None:
    """Check that both directories have the same weight files, bit for bit."""
    files = sorted(path.name for path in source.glob("*.safetensors"))
    assert files == sorted(path.name for path in back.glob("*.safetensors")), "other files came back"
    for name in files:
        measure(["cmp", str(source / name), str(back / name)])
    record = read_record(back)
    assert record is not None
    assert record.source_format == "nemo"


def median(rows: list[Measurement]) -> Measurement:
    """The run of median time, with the highest memory of all."""
    middle = statistics.median_low([row.seconds for row in rows])
    return Measurement(seconds=middle, anonymous=max(row.anonymous for row in rows))


if __name__ == "__main__":
    main()
