"""Pages that follow from the code and the committed results: cards with pictures, steps and who shares them, what to take for what."""
