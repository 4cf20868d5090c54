"""Tables and pictures of recorded selection results."""
