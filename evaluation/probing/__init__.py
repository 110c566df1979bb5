"""Heads on frozen embeddings, against counts of k-mers: is there more in the model than in counting?"""
