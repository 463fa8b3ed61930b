"""What became of batches, items and slots, in the form in which the database takes it."""
