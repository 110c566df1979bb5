"""Preparation: from sources to a corpus, in shards that share no state."""
