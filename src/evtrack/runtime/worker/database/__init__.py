"""A worker's database side: its session and heartbeat, its claims and its reports."""
