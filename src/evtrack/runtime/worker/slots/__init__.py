"""A worker's slots: started, assigned batches, limited, and replaced when they die."""
