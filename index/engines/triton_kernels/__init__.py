"""Triton kernels of the scan; all but `configs` need triton to be imported."""
