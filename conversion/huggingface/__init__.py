"""Directories of Hugging Face: weights and tokenizers."""
