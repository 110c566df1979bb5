"""Saturation mutagenesis: what every change of a region does to its likelihood."""
