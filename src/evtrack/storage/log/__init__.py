"""The event log: read it, follow it, prove the projection against it, rebuild from it."""
