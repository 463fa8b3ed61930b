"""The check-up: looks at everything that evtrack needs, and says what to do about what is wrong."""
