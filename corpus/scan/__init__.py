"""Compiled scanning of sequence bytes."""
