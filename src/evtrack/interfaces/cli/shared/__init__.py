"""What commands share: option types, options, connections, signals and exit codes."""
