"""Input and output files of batch jobs, and their manifest."""
