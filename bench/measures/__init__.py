"""What gleann alone does: work, recall and memory, on hard data too."""
