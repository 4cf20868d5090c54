"""Commands of `gleann curate` that ask a person for the labels of a sample."""
