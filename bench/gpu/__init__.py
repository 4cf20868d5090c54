"""GPU benchmarks, one module per stage; `bench/GPU.md` explains how to run them."""
