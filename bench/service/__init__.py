"""`python -m bench service`: a server of its own under the load of many clients."""
