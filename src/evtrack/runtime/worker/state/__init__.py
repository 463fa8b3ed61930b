"""What a worker leaves on its host, so that the next one can report what was in hand when it died."""
