"""From faiss

Needs: faiss
"""

# %%
import faiss
import numpy as np
from sklearn.datasets import load_digits

import gleann

pixels = load_digits().data.astype(np.float32)
pixels = np.random.default_rng(0).permutation(pixels)  # writers differ
rows, queries = pixels[:1500], pixels[1500:]

# %% [markdown]
# ## An IVF index
#
# In faiss you choose the index, train it, add rows, and set `nprobe` by trial.

# %%
quantizer = faiss.IndexFlatL2(64)
theirs = faiss.IndexIVFFlat(quantizer, 64, 30)
theirs.train(rows)
theirs.add(rows)
theirs.nprobe = 8
their_distances, their_rows = theirs.search(queries, 5)

# %% [markdown]
# In gleann the build does all of it, and the search names the recall.

# %%
ours = gleann.SoarIndex.build(rows, gleann.BuildParams(metric="l2"))
found = ours.search(queries, gleann.SearchParams(k=5, target_recall=0.95))

# %% [markdown]
# Distances are the same numbers, squared L2, in the same order.

# %%
_, truth = gleann.exact_search(queries, rows, metric="l2", k=5)
print("faiss: ", gleann.recall_at_k(their_distances, truth))
print("gleann:", gleann.recall_at_k(found.distances, truth))
nearest = found.distances[:, 0] == their_distances[:, 0].round(0)
print(
    f"the nearest row is at the same distance for {nearest.mean():.3f} of the queries"
)
assert nearest.mean() > 0.95
assert gleann.recall_at_k(found.distances, truth) >= 0.95

# %% [markdown]
# ## Call by call
#
# | faiss | gleann |
# |---|---|
# | `index_factory(d, "IVF256,Flat")`, `train`, `add` | `SoarIndex.build(rows, BuildParams(nlist=256))` |
# | `METRIC_INNER_PRODUCT` on normalised rows | `metric="cosine"`; rows need not be normalised |
# | `IndexFlatL2(d).search` | `exact_search(queries, rows, ...)`, or `SearchParams(exact=True)` |
# | `index.nprobe = 8` | `SearchParams(nprobe=8)`, or `target_recall=0.95` |
# | `IndexIDMap2`, `add_with_ids` | `build(rows, params, ids=ids)`; texts too |
# | `range_search(queries, radius)` | `search_radius(queries, radius)` |
# | `SearchParameters(sel=IDSelectorBatch(...))` | `SearchParams(allowed=mask)`, `index.where("...")` |
# | `write_index`, `read_index` | `index.save(folder)`, `SoarIndex.load(folder)` |
# | `omp_set_num_threads(2)` | `SoarIndex.load(folder, threads=2)` |
# | `add` and `remove_ids` later | `gleann.Client(folder)`: `upsert`, `delete_vectors` |
#
# An inner product is `-ip` in our distances, so that less is always nearer. faiss marks a
# place without an answer by -1, as we do with numeric ids.
