"""Tasks on sequence and its annotation: classes of bases, genes and what breaks them, copies, generation."""
