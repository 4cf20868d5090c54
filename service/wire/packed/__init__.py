"""Searches as bytes of protobuf, without its messages."""
