"""The doors: each a thin translation of `engrams.memory.Memory` for one kind of caller."""
