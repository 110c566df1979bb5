"""Bytes of source files, decompressed."""
