"""What users call: the command line and the Python API."""
