"""Kernel and launcher of the assignment of rows to lists."""
