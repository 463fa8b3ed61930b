"""The slot: a child process that runs user code, and what it shares with its supervisor."""
