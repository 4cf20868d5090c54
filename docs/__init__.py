"""The documentation: pages, scripts that are pages, and what makes a site of them."""
