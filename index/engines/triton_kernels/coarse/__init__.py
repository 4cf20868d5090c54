"""Kernels that rank lists and code queries, and their launches."""
