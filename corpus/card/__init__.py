"""The data card of a corpus, from its manifest: a page and Markdown."""
