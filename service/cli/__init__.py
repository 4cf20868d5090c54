"""The `gleann` command: one file a subcommand; each parses, calls and prints."""
