"""Compaction by itself: when an index is compacted, and how, beside searches."""
