"""Activation memory measured: a small model of our own, questions on what it read, and what compression leaves of them."""
