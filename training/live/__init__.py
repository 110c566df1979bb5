"""Evaluation of the live weights between two steps: recall and labelled variants, within a time budget."""
