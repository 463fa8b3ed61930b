"""Commands that monitor the whole system: watch, alerts, top, health, doctor."""
