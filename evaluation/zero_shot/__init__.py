"""Published tasks: their definitions, their data, and the results of a model."""
