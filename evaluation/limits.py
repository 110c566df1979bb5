"""The largest counts that a setting may have, for the command line and for Python alike."""

MOST = 1_000_000
"""Of sequences per forward pass, samples per prompt, and random indels per class: more of them fill the memory."""
