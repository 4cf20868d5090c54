"""Tables and charts to one HTML file that needs nothing else."""
