"""Triton kernels of the scan; importing any module but `configs` needs triton."""
