"""Vectors in files of others: npy and parquet."""
