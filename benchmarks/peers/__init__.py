"""What others do for the same work, as they document it; on a CPU inside `recipes.cpu`."""
