"""The REST server: `create_app` makes the application over an open memory, `engrams serve` runs it."""
