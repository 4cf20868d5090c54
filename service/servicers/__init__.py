"""One file per gRPC service: check, convert, call, convert."""
