"""Labelled sequences: tables, FASTA and the layouts in which tasks are published, read and checked."""
