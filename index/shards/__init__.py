"""One index in several parts, each for a machine of its own: cut, read, searched.

Every shard is an index directory that `SoarIndex.load` opens, over the rows whose ids
`placing.py` gives it. All have the same centroids and codes, trained once on all rows:
so a shard holds of each list its own rows, and the shards together read for a query
what one index over all rows reads with the same lists.
"""
