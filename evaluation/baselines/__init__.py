"""What a model has to beat: Markov chains and k-mers."""
