"""The 256-token nucleotide vocabulary: one token per byte, five ids reserved for special tokens."""
