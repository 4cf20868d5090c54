"""Class probabilities of rows: trained here, or given by the caller."""
