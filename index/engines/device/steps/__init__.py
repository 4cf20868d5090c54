"""The steps of a search on a device, in plain torch."""
