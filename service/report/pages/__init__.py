"""The report of each kind of job, as one page."""
