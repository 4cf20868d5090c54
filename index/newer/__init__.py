"""Rows newer than an index: assigned to its lists and searched together with them."""
