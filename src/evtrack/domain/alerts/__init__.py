"""Alerts: a frozen model for each kind, and the thresholds of those about ongoing conditions."""
