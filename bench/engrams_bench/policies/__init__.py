"""Policies of memory writing: trained on some conversations, shown on others."""
