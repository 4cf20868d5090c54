"""Estimate sessions: which rows to label next, and what their labels say of all."""
