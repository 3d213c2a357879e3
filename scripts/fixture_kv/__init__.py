"""How the small model of the activation benchmark is made: where it begins, and how it is trained."""
