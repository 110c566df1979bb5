"""The names of the formats that are read, apart from their readers: settings and manifests name them."""

from enum import Enum


class Format(str, Enum):
    """The formats that are read."""

    FASTA = "fasta"
    FASTQ = "fastq"
    JSONL = "jsonl"
    PARQUET = "parquet"
    TWOBIT = "twobit"
    SHARDED_EDEN = "sharded_eden"
    MEGATRON = "megatron"
