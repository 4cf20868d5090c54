"""Long-running jobs: queue, workers, and builds, imports and selections."""
