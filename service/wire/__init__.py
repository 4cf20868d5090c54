"""Messages to values and back: arrays as bytes, indexes, selections, sessions."""
