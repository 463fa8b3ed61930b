"""The watcher: delivers the alerts of the outbox, and does the same maintenance as every worker."""
