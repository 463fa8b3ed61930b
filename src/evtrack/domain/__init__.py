"""The pure layer: events, states and what they mean; no clock, no I/O."""
