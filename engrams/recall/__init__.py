"""Finds: by words, by meaning, by who spoke and when; scores, sums, selects."""
