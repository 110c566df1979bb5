"""Heads for labels of one's own: the model, its data, its loss, and what is measured while it trains."""
