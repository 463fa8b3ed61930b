"""The outcomes of batches: checked, turned into the data of events, and kept until the database has accepted them."""
