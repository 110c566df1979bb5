"""What stops a run before it spoils its weights, or waits for ever."""
