"""From hnswlib

Needs: hnswlib
"""

# %%
import hnswlib
import numpy as np
from sklearn.datasets import load_digits

import gleann

pixels = load_digits().data.astype(np.float32)
pixels = np.random.default_rng(0).permutation(pixels)  # writers differ
rows, queries = pixels[:1500], pixels[1500:]

# %% [markdown]
# hnswlib takes M and ef of the construction, and ef of the search, by trial.

# %%
theirs = hnswlib.Index(space="l2", dim=64)
theirs.init_index(max_elements=len(rows), M=16, ef_construction=200, random_seed=0)
theirs.add_items(rows, np.arange(len(rows)))
theirs.set_ef(50)
their_ids, their_distances = theirs.knn_query(queries, k=5)

# %%
ours = gleann.SoarIndex.build(rows, gleann.BuildParams(metric="l2"))
found = ours.search(queries, gleann.SearchParams(k=5, target_recall=0.99))

# %%
_, truth = gleann.exact_search(queries, rows, metric="l2", k=5)
print("hnswlib:", gleann.recall_at_k(their_distances, truth))
print("gleann: ", gleann.recall_at_k(found.distances, truth))
assert gleann.recall_at_k(found.distances, truth) > 0.98

# %% [markdown]
# ## Call by call
#
# | hnswlib | gleann |
# |---|---|
# | `Index(space="cosine", dim=d)`, `init_index`, `add_items` | `SoarIndex.build(rows, BuildParams(metric="cosine"), ids=ids)` |
# | `space="ip"`: 1 - ip | `metric="ip"`: -ip |
# | `set_ef(50)` | `SearchParams(target_recall=0.99)` |
# | `knn_query(q, k=5)`: ids, distances | `search(q, SearchParams(k=5))`: `.ids`, `.distances` |
# | `knn_query(q, filter=function)` | `SearchParams(allowed=mask)`; no call a row |
# | `add_items` later, `mark_deleted` | `gleann.Client(folder)`: `upsert`, `delete_vectors` |
# | `save_index`, `load_index` | `save`, `SoarIndex.load` |
#
# hnswlib raises an error where it finds fewer than k rows; gleann returns what there is, and -1
# behind it. An insertion into a graph is searched as well as any other row; in gleann newer rows
# are scanned beside the lists until they are folded in.
