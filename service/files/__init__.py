"""Readers of untrusted vector files under the import roots."""
