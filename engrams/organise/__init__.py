"""Makes structure: embeds what was derived, finds what it speaks of, links it."""
