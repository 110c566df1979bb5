"""Whole files that fuzzing starts from: a small checkpoint in each format, a corpus, and a file of each small kind."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.llama import LlamaArchitecture, read_architecture
from conversion.adapters.peft_adapter import TENSORS, lora_name
from conversion.adapters.peft_config import NAME as CONFIG
from conversion.convert import convert
from conversion.files.archive_writer import Tensor, save
from conversion.formats import open_checkpoint
from conversion.huggingface.model_directory import ModelDirectoryWriter
from conversion.huggingface.safetensors_writer import SafetensorsWriter
from conversion.megatron.megatron_directory import MegatronDirectory, MegatronWriter
from conversion.megatron.nemo_context_writer import write_context
from conversion.weight_table import expand
from corpus.preparation.prepare import prepare
from corpus.settings import Settings
from corpus.splits.rule import SplitRule

ARCHITECTURE = LlamaArchitecture(
    num_hidden_layers=2,
    hidden_size=32,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    intermediate_size=48,
    max_position_embeddings=64,
    rope_theta=500000.0,
    rms_norm_eps=1e-5,
    initializer_range=0.02,
    tie_word_embeddings=False,
    dtype="float32",
)

VCF = (
    b"##fileformat=VCFv4.2\n##INFO=<ID=CLASS,Number=1,Type=String,Description=x>\n"
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t3\t.\tA\tC,<DEL>\t.\t.\tCLASS=LOF\n"
)
BED = b"#x\nchr1\t0\t4\tone\t0\t-\nchr1\t2\t6\n"
GENOME = b">chr1\nACGTACGTACGT\n"
SUITE = b"likelihood:\n  - name: a\n    source: x.fa\nrecall:\n  - {distances: [8, 16]}\nbatch_size: 4\n"
SETTINGS = b"split: {validation_fraction: 0.1, seed: 3}\nmarkup: true\n"
CARD = b"licence: Apache-2.0\nsource_licences: {'*.fa': CC0}\n"
NODES = b"1\t|\t1\t|\tno rank\t|\n2\t|\t1\t|\tdomain\t|\n9\t|\t2\t|\tspecies\t|\n"
NAMES = b"2\t|\tBacteria\t|\t\t|\tscientific name\t|\n9\t|\tBuchnera\t|\t\t|\tscientific name\t|\n"
COMMON = {
    "optimizer": [{"param_groups": [{"lr": 0.1, "weight_decay": 0.1, "step": 3}]}],
    "global_step": 3,
}
TRAINED = {
    **COMMON,
    "lr_schedulers": [{"base_lrs": [0.1], "min_lr": 0.01, "warmup_steps": 2, "max_steps": 9, "schedule": "wsd"}],
    "datamodule": {"consumed_samples": 12},
}
HOSTILE_PICKLES = [
    b"\x80\x04}X\x01\x00\x00\x00a" + b"2\x86" * 60 + b"Ns.",  # a key whose hash takes 2**60 steps
    b"\x80\x04](K\x01K\x01eq\x00ctorch\nSize\nh\x00\x85R.",
    b"\x80\x04}q\x00ccollections\nOrderedDict\nh\x00\x85R.",
]


def write_seeds(folder: Path) -> Path:
    """Fill `folder`: hf/, te/, nemo/, adapter/, trained/ (with its optimizer), bridge/, corpus/ and common.pt."""
    write_model(folder / "model")
    for name in ("te", "nemo", "bridge"):
        convert(folder / "model", folder / name, to=name)
    write_trained(folder / "nemo", folder / "trained")
    write_adapter(folder / "adapter")
    convert(folder / "nemo", folder / "hf", to="hf")
    weights = np.arange(12, dtype="<u4").reshape(3, 4)
    save(folder / "common.pt", {**COMMON, "tensor": Tensor(dtype="float32", shape=(3, 4), rows=[weights])})
    genome = folder / "genome.fa"
    genome.write_bytes(b"".join(b">c%d\n%s\n" % (number, b"ACGTNacgtn" * (5 + number)) for number in range(8)))
    prepare([genome], folder / "corpus", Settings(split=SplitRule(validation_fraction=0.3)))
    return folder


def write_model(directory: Path) -> None:
    """A random model of `ARCHITECTURE`, of our own writer: nothing here needs torch."""
    directory.mkdir(parents=True)
    random = np.random.default_rng(0)
    with ModelDirectoryWriter(directory, ARCHITECTURE, "hf") as writer:
        for weight in expand(ARCHITECTURE):
            parts = [[random.standard_normal(shape, dtype=np.float32).view("<u4")] for shape in weight.hf.values()]
            writer.write(weight, parts)
    assert read_architecture(directory) == ARCHITECTURE


def write_adapter(directory: Path) -> None:
    """A LoRA adapter of PEFT for the same model."""
    directory.mkdir()
    random = np.random.default_rng(1)
    modules = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in (0, 1) for name in "qv"]
    rows = {"q": 32, "v": 16}
    shapes: dict[str, tuple[int, ...]] = {}
    for module in modules:
        shapes |= {lora_name(module, "A"): (2, 32), lora_name(module, "B"): (rows[module[-6]], 2)}
    with SafetensorsWriter(directory, shapes, dtype="float32", file=TENSORS) as writer:
        for name, shape in shapes.items():
            writer.write(name, [random.standard_normal(shape, dtype=np.float32).view("<u4")])
    config = {
        "peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "bias": "none",
        "rank_pattern": {"layers.1.self_attn.q_proj": 2}, "alpha_pattern": {}, "use_dora": False,
    }  # fmt: skip
    (directory / CONFIG).write_text(json.dumps(config))


def write_trained(source: Path, directory: Path) -> None:
    """The NeMo checkpoint `source` with an optimizer's state, as after three steps."""
    checkpoint = open_checkpoint(source)
    assert isinstance(checkpoint, MegatronDirectory)
    directory.mkdir()
    write_context(directory, ARCHITECTURE)
    with MegatronWriter(directory / "weights", ARCHITECTURE, prefix="module.", common=TRAINED, content={}) as writer:
        assert isinstance(writer, MegatronWriter)
        for weight in checkpoint.weights:
            writer.write(weight, checkpoint.parts(weight))
            name, place = f"optimizer.state.exp_avg.module.{weight.megatron}", (0,) * len(weight.fused_shape)
            shape, rows = weight.fused_shape, [checkpoint.fused(weight)]
            writer.dcp.write(name, "float32", shape, rows, offsets=place, shape=shape)


def parquet(rows: int = 4, **options: object) -> bytes:
    """A Parquet file of `rows` sequences."""
    stream = io.BytesIO()
    table = pa.table({"id": [f"r{row}" for row in range(rows)], "text": ["ACGT" * (row + 1) for row in range(rows)]})
    pq.write_table(table, stream, **options)
    return stream.getvalue()


def as_json(value: object) -> bytes:
    """A JSON file."""
    return json.dumps(value).encode()
