"""What a server counts and measures, for its status and for Prometheus."""
