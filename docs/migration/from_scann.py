"""From ScaNN

Needs: scann
"""

# %%
import numpy as np
import scann
from sklearn.datasets import load_digits

import gleann

pixels = load_digits().data.astype(np.float32)
pixels = np.random.default_rng(0).permutation(pixels)  # writers differ
unit = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
rows, queries = unit[:1500], unit[1500:]

# %% [markdown]
# ScaNN takes the number of leaves, those to search and the rows to reorder.

# %%
theirs = (
    scann.scann_ops_pybind.builder(rows, 5, "dot_product")
    .tree(num_leaves=40, num_leaves_to_search=8, training_sample_size=1500)
    .score_ah(2, anisotropic_quantization_threshold=0.2)
    .reorder(50)
    .build()
)
their_rows, their_products = theirs.search_batched(queries)

# %%
ours = gleann.SoarIndex.build(rows, gleann.BuildParams(metric="cosine"))
found = ours.search(queries, gleann.SearchParams(k=5, target_recall=0.95))

# %%
_, truth = gleann.exact_search(queries, rows, metric="cosine", k=5)
print("ScaNN: ", gleann.recall_at_k(1 - their_products, truth))
print("gleann:", gleann.recall_at_k(found.distances, truth))
assert gleann.recall_at_k(found.distances, truth) > 0.94

# %% [markdown]
# ## Call by call
#
# | ScaNN | gleann |
# |---|---|
# | `builder(rows, 10, "dot_product")` | `BuildParams(metric="ip")`; k is said by each search |
# | `tree(num_leaves=...)` | `BuildParams(nlist=...)`; "auto" takes it from the rows |
# | `soar_lambda=1.5` | `spill="soar"`, `spill_lambda=1.5`; "auto" measures whether it pays |
# | `score_ah(2, ...)` | int8 codes; `projection=` for fewer dimensions |
# | `num_leaves_to_search`, `reorder(50)` | `target_recall=0.95`, or `nprobe` and `rerank` |
# | `search_batched_parallel(queries)` | `search(queries)`; all cores by default |
# | `serialize(folder)`, `load_searcher` | `save`, `SoarIndex.load` |
#
# ScaNN's products come largest first; our distances smallest first: -ip, or 1 - cos.
