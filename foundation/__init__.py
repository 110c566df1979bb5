"""How every command behaves: one clear error, whole-or-nothing output, a progress bar.

Ground floor: imports nothing of ours, and nothing heavy.
"""
