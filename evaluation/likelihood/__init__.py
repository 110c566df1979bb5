"""Log-likelihood of sequence under a model."""
