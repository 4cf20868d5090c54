"""Search of an index in shards on a cluster: actors that hold shards, and who asks."""
