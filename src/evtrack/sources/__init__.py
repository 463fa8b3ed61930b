"""Where items come from: files, folders, archives and streams, read one item at a time."""
