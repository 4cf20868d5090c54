"""Kernels and launchers of coreset selection."""
