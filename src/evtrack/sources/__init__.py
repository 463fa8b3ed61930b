"""Where items come from: files, directories, archives and pipes, read one item at a time."""
