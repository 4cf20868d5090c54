"""Populations, simulated draws and labelling runs of the selection benchmarks."""
