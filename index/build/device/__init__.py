"""The kernels of a build on a GPU. Needs torch."""
