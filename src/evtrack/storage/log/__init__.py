"""The event log: read, followed, proved and rebuilt from."""
