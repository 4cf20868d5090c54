"""Parts of `SoarIndex`: ids and payload, filters, description, pickling."""
