"""Device search shared by the torch and triton engines. Needs torch."""
