"""Search on a device: what the torch and triton engines share. Needs torch."""
