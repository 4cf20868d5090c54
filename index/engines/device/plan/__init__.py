"""Planning of a device search: kernel, number kind, memory."""
