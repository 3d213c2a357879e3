"""One file per memory system, and the list of them."""
