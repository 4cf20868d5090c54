"""More than one machine holds

An index in shards is built and searched by several machines. Each has the rows whose ids
a hash gives it, and all have the same lists: so the answers are those of one index. Try
it in one process first, with fewer rows.

Task: build and search what one machine does not hold
"""

# %%
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.index.shards.build.build import ask_for, build_shards
from gleann.index.shards.sharded_index import ShardedIndex

pixels, digits = load_digits(return_X_y=True)
rows = pixels.astype(np.float32)
Path("rows").mkdir()
np.save("rows/first.npy", rows[:900])
np.save("rows/second.npy", rows[900:])

# %% [markdown]
# A build reads files by blocks. Its tasks run here, one after another; a cluster runs the
# same ones, and the files are the same for any number of workers.

# %%
asked = ask_for(["rows"], gleann.BuildParams(metric="l2"), shards=3)
summary = build_shards(asked, Path("digits.shards"))
index = ShardedIndex.load("digits.shards")
print(index)

# %% [markdown]
# It is searched as any index is. Rows are numbered over all files, and that is their id:

# %%
found = index.search(rows[:1000], gleann.SearchParams(k=2, target_recall=0.95))
print("nearest but itself:", found.ids[:5, 1])
print("of the same digit:", (digits[found.ids[:, 1]] == digits[:1000]).mean())
print("share of the rows that answered:", found.stats.covered)
assert found.stats.covered == 1

# %% [markdown]
# Beside one index of the same rows, where all are compared:

# %%
one = gleann.SoarIndex.build(rows, gleann.BuildParams(metric="l2"))
exact = gleann.SearchParams(k=5, exact=True)
same = index.search(rows, exact).distances == one.search(rows, exact).distances
print(f"{same.mean():.3f} of the distances are the same")
assert same.all()

# %% [markdown]
# ## On a cluster
#
# `gleann cluster build rows digits.shards --shards 3` and
# `gleann cluster search digits.shards queries.npy --k 10 --out found.parquet` do this on
# [Ray](../howto/cluster.md): on this machine, or on a cluster with `--address`. And
# `gleann serve --cluster digits.shards` serves the shards to any client.
