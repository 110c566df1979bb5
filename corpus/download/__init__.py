"""Fetching published data sets: OpenGenome2 from the Hugging Face Hub."""
