"""gleann in the libraries that people use already, one module a library.

Each imports its library, which none of gleann's installs brings.
"""
