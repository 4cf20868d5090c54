"""Filtered searches: gleann beside the plain ways and the peers; tenants."""
