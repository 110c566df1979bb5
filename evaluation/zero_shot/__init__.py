"""Published tasks as shipped: what each is, whether its data are at hand, and what a model achieves on it."""
