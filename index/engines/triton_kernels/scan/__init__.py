"""Kernels and launchers that scan lists."""
