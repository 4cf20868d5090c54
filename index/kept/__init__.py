"""Rows in other forms than a float32 array, which give float32 when indexed."""
