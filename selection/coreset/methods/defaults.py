"""Defaults of the methods' parameters, in the library, command line and service."""

COST_WEIGHT = 1.0
"""Weight of a unit of cost against a unit of radius, of weighted k-center."""

RADIUS_STEP = 0.1
"""Relative step (eps) between the radius guesses of weighted k-center."""

THRESHOLD_STEP = 0.1
"""Relative step (eps) between the distance thresholds of GIST."""

DIVERSITY = 1.0
"""Weight of the least distance between two chosen rows, of GIST."""

HARDEST_SHARE = 0.1
"""Share of the rows, those of smallest cost, that CCS drops first."""

STRATA = 50
"""Strata of cost that CCS draws from."""
