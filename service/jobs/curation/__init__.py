"""Curation jobs: one module a method, and what runs and stores them."""
