"""Readers: one module per file format; each turns an opened source into batches of records."""
