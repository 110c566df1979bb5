"""Genomic Llama: Llama-3 models of DNA."""
