"""Kernels and launchers that rank lists and quantise queries."""
