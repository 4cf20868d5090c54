"""The demo: the whole workflow on real data from installable packages."""
