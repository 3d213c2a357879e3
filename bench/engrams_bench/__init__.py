"""The benchmark of Engrams: recipes × real data sets. It knows the public front door of `engrams` and nothing below it."""

__version__ = "0.1.0"
