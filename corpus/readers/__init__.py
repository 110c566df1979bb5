"""Readers: one module a file format; each turns an opened source into batches of records."""
