"""Builds the context out of ranked engrams: what fits the budget, in reading order, dated, cited, priced."""
