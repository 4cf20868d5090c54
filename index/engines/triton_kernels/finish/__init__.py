"""Kernels that merge, re-rank and pack answers, and their launches."""
