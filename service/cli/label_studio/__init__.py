"""`gleann label-studio`: items to label out, and their labels in."""
