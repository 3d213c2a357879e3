"""Speed and growth: Engrams and other stores, driven alike, from a thousand memories to a million."""
