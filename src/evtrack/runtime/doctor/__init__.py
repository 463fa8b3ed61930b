"""The checks of `evtrack doctor`: is everything that evtrack needs in order, and what to do if it is not."""
