"""Genomes to prepare: small ones that are made, and real ones."""

from corpus_fixtures import contigs, real_fasta, write_fasta  # noqa: F401
