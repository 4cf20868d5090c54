"""Queues of calls by kind: places, turns, and the threads that answer."""
