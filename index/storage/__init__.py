"""Saved indexes: the files, their manifest, and the checks of what is loaded."""
