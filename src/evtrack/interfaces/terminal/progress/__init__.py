"""How far a long command is."""
