"""The pure layer: events, states and transitions, without a clock and without I/O."""
