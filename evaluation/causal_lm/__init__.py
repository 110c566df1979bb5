"""Causal language models of DNA with other vocabularies, for comparison."""
