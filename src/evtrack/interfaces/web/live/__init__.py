"""What changes while somebody looks at it: streams of events, and what those get who poll."""
