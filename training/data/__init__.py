"""The data module that feeds a run from corpora."""
