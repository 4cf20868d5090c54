"""Tables and charts in one self-contained HTML file."""
