"""Who makes a call, and how long its answer is awaited."""
