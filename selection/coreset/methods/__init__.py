"""The methods that choose a subset, one a module."""
