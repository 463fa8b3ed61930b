"""What commands share: options, number types, signals and exit codes."""
