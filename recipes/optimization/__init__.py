"""How weights change: the optimizer, its learning rate over the steps, and the z-loss."""
