"""What a server says of itself: its status, its memory, the recall of its searches."""
