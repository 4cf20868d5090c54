"""`gleann estimate` and `gleann estimate-groups`."""
