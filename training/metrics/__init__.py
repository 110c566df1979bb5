"""What is measured of a run while it trains, and where it goes: the run log, the console, the loggers."""
