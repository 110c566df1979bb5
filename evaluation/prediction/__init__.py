"""Predictions of a model with a head: records in, labels and probabilities out; how good they are; calibration."""
