"""Results of published tasks side by side: the leaderboard, its page, and the model cards."""
