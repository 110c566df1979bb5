"""Vectors for sequences."""
