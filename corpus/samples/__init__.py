"""Samples: cutting, ordering, masking; pure functions of (seed, epoch, index)."""
