"""The command `gleann jobs`."""
