"""What curation commands share that a server or a data directory answers."""
