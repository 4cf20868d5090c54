"""The kernel that assigns rows to lists, and its launch."""
