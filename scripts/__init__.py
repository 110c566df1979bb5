"""Programs for development and for published tables; not installed."""
