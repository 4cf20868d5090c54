"""What a curation would take, before any of it is done."""
