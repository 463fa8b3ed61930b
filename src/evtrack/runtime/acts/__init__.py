"""What users do to the queue from the dashboard: small acts at once, large ones in chunks, in one thread."""
