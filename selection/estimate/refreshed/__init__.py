"""Rounds whose strata are cut again by the labels of the rounds before."""
