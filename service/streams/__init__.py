"""Streams of upserts: batches in order, acknowledged when they are on disk."""
