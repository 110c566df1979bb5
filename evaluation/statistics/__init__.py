"""Measures of ranking with ties, their intervals by bootstrap over items or clusters, and tests of differences."""
