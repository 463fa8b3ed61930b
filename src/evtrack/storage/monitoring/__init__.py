"""What monitoring reads and writes: the alert outbox, metrics, and facts for a check-up."""
