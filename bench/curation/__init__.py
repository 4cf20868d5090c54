"""What curation is worth, and what it costs: one module a part."""
