"""Commands about jobs: their status, progress, events, crashes and results, and how operators control them."""
