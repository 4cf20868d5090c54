"""One file a gRPC service: check, convert, call, convert."""
