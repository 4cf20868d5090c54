"""A build of shards by tasks, which other machines may carry out.

Five passes, each by tasks that can be done again: the files are described
(`sources.py`), their blocks are checked and placed by the hash of the id (`place.py`),
the rows of each shard are put together (`gather.py`), lists and codes are decided for
all rows as in any other build (`kernels.py`), and each shard gets its own (`scan.py`).
What is done stays in a folder (`folder.py`) until the whole is published
(`build.py`): a build that was stopped goes on from there.
"""
