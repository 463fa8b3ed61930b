"""What runs: submitter, worker and slots; knows domain and storage, not the command line."""
