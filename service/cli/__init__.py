"""The `gleann` command: one file per subcommand, which parses, calls and prints."""
