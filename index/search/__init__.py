"""Search: the plan of a request, filters, and searches that stay on the device."""
