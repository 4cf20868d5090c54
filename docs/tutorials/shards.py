"""An index in shards

Beyond one machine an index is held in shards, each on a machine of its own. What they
answer is what one index answers, so it can be tried in one process. `gleann cluster
build` writes the same shards on Ray, from rows that no machine holds together, and
`gleann serve --cluster` serves them: [several machines](../howto/cluster.md).

Task: build and search what one machine does not hold
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.index.shards.cut import cut
from gleann.index.shards.sharded_index import ShardedIndex

pixels, digits = load_digits(return_X_y=True)
index = gleann.SoarIndex.build(
    pixels[:-100], gleann.BuildParams(metric="l2"), payload={"digit": digits[:-100]}
)
manifest = cut(index, "pixels.shards", shards=3)
print([shard.n for shard in manifest.shards], "rows in the shards")

# %% [markdown]
# A row's shard is a hash of its id. All shards have the centroids of the whole, and of
# each list their own rows: with the same lists they read the same entries.

# %%
shards = ShardedIndex.load("pixels.shards")
asked = gleann.SearchParams(k=5, nprobe=4)
whole, parts = index.search(pixels[-100:], asked), shards.search(pixels[-100:], asked)
print(whole.stats.entries_scanned, "and", parts.stats.entries_scanned, "entries read")
assert whole.stats.entries_scanned == parts.stats.entries_scanned
assert np.array_equal(whole.distances, parts.distances)

# %% [markdown]
# A recall is asked for as of one index, and rows are chosen by their payload.

# %%
eights = shards.allow_where("digit = 8")
found = shards.search(
    pixels[-100:], gleann.SearchParams(k=3, target_recall=0.95, allowed=eights)
)
print("neighbours:", found.ids[0], "digits:", digits[found.ids[0]])
assert (digits[found.ids] == 8).all()
