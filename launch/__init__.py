"""What surrounds a run: the plan before it, the checks at its start, the scripts that submit it."""
