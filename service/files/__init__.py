"""Readers of untrusted vector files: npy and parquet."""
