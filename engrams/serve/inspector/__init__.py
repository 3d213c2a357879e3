"""The inspector: a page to look inside a memory, served from the package, and the paths that only it asks."""
