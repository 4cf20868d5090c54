"""Kernels of coreset selection, and their launches."""
