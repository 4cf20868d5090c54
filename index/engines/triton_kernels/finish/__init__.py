"""Kernels and launchers that merge, re-rank and pack answers."""
