"""The arrays of an index as a device stores them."""
