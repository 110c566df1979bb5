"""What a trained model can do: likelihoods, variants, embeddings, generation, predictions, published tasks, reports."""
