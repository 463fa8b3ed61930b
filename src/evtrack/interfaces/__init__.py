"""What people touch: parse, call, print."""
