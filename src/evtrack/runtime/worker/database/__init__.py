"""A worker's side of the database: its session and heartbeat, what it claims and what it reports."""
