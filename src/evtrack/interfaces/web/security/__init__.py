"""Who may ask what: the guard of every request, and the ways to log in."""
