"""`gleann doctor`: of the installation, and of a data directory."""
