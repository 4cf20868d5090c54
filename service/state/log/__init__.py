"""The log of acknowledged changes."""
