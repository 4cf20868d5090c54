"""The commands of `gleann curate` that choose what to train on."""
