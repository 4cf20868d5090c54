"""Files of batch jobs: read, written, recorded in a manifest."""
