"""HTML pages: one style, figures in its colours, readable quantities."""
