"""Evaluation of a trained model: likelihood of held-out sequence, baselines, and the report."""
