"""What users see on a terminal: progress, tables and reports."""
