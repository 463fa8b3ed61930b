"""The watcher: tells people what the outbox holds, and does for all what every worker does."""
