"""ABae as its authors wrote it, to compare with."""
