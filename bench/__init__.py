"""Benchmarks of gleann and its peers. Run as `python -m bench`; see README.md."""
