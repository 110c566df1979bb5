"""What a trained model is worth: likelihood of held-out sequence, the baselines it must beat, and the report."""
