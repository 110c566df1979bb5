"""What the bytes of a document are: letters, counted in columns, and the bytes of OpenGenome2's markup."""

COLUMNS = ("A", "C", "G", "T", "N", "other", "soft_masked", "markup", "foreign")
"""Columns of counts: letters in either case; IUPAC codes and U; lower-case ones of them all; bytes of tags and joins;
bytes that are neither."""

A, C, G, T, N, OTHER, SOFT_MASKED, MARKUP, FOREIGN = range(len(COLUMNS))

BASES = slice(A, OTHER + 1)
"""The columns of letters: together, all bases."""

BAR = ord("|")
"""Opens a tag, and closes it."""

JOINS = b"@#"
"""What joins stitched pieces (`@`) and contigs (`#`)."""
