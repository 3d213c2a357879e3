"""Derived look-ups over a namespace: loaded lazily, kept fresh by the store's marks, never a second truth."""

from engrams.index.analysis import with_names
from engrams.index.namespaces import NamespaceIndex

__all__ = ["NamespaceIndex", "with_names"]
