"""Choices before a search on a device: kernel, kind of number, memory."""
