"""What makes the documentation out of pages, scripts, docstrings and descriptors."""
