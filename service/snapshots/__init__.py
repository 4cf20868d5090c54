"""Snapshots: whole states of indexes on disk, and indexes made of them again."""
