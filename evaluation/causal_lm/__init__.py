"""Causal language models of DNA with another vocabulary than ours, so that they can be compared with it."""
