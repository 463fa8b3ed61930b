"""The words that the terminal and the pages share."""
