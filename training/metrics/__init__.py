"""Metrics of a run while it trains, for the run log, the console and the loggers."""
