"""Stored caches used again at any position, in any order, behind texts they were not read with."""
