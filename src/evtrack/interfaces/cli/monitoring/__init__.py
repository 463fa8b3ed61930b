"""Commands that monitor: watch, alerts, top, health, doctor."""
