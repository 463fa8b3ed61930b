"""Reports on one subject each, drawn for a terminal or written as lines."""
