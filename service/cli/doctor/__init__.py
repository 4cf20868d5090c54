"""`gleann doctor`: checks of the installation and of a data directory."""
