"""Checks of what is written: patterns of secrets and personal data."""
