"""A suite of evaluations in one file, run for one model or several, with one form of result."""
