"""The stages of `bench.gpu`, one file each, and the table of them."""
