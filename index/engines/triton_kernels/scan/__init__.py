"""Kernels that scan lists, and their launches."""
