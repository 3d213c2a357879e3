"""What keeps a memory alive: writing, correcting, reading, importing, exporting; `memory.py` is its short front."""
