"""Compression policies, one published method a file."""
