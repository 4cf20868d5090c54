"""Proxies: from labels of neighbours, of compound predicates, and their choice."""
