"""Search at a recall that you name

Most libraries ask for a search effort and leave the recall to be found out. Here you
name the recall; the build has measured which effort reaches it.

Task: search a batch of vectors, at a recall you name
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann

pixels, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(pixels))
pixels, digits = pixels[order], digits[order]
known, queries = pixels[:1500], pixels[1500:]

# %% [markdown]
# The build sorts the rows into lists, chooses whether a second copy of each row pays,
# and measures on rows that it holds back how much must be read for which recall. That is
# the recall of queries of this kind: the digits are shuffled above, as the last of them
# were written by other people than the first. Where queries are of another kind, give the
# build some of them (`queries=`).

# %%
index = gleann.SoarIndex.build(known, gleann.BuildParams(metric="l2"))
found = index.search(queries, gleann.SearchParams(k=5, target_recall=0.95))
print(found.ids[0], "of the digit", digits[1500])
print(digits[found.ids[0]])
print(found.distances[0].round(1))

# %% [markdown]
# `stats` says what the answer took. Whether the promise held is checked against exact
# search, which is the same call with `exact=True`.

# %%
truth = index.search(queries, gleann.SearchParams(k=5, exact=True))
recall = gleann.recall_at_k(found.distances, truth.distances)
print(f"nprobe {found.stats.nprobe} of {index.nlist} lists, recall {recall:.3f}")
assert recall >= 0.95

# %% [markdown]
# The index is a folder. Loading maps its files, so that it takes milliseconds.

# %%
index.save("digits.gleann")
again = gleann.SoarIndex.load("digits.gleann")
same = again.search(queries, gleann.SearchParams(k=5, target_recall=0.95))
assert (same.ids == found.ids).all()

# %% [markdown]
# ## From the shell

# %%
np.save("known.npy", known)
np.save("queries.npy", queries)

# %% [sh]
# gleann build known.npy words.gleann --metric l2
# gleann search words.gleann queries.npy --k 5 --target-recall 0.95 --out found.csv
