"""Storage, long work and gRPC, and one client for both ways of use."""
