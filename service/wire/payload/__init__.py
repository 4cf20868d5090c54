"""Payload as it is declared: its columns as messages."""
