"""The bytes of OpenGenome2's markup: tags `|d__Bacteria;p__…|`, and what joins pieces (`@`) and contigs (`#`)."""

BAR = ord("|")
"""Opens a tag, and closes it."""

JOINS = b"@#"
