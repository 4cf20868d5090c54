"""What is measured on a GPU: one module a stage; `bench/GPU.md` says how to run it."""
