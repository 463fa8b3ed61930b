"""A worker's slots: started, fed, limited, and replaced when they die."""
