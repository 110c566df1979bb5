"""Baselines without a model: Markov chains and k-mers."""
