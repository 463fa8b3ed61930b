"""Reports: what users and operators ask about jobs, batches, workers and the whole system."""
