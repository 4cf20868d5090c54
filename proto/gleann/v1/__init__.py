"""Messages and services of gleann.v1, generated from the .proto files beside them."""
