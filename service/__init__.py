"""Storage, jobs, the gRPC server, and one client for in-process and remote use."""
