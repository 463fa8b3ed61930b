"""What people see on a terminal: bars, tables, reports, and text made harmless."""
