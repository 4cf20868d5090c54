"""In vicinity and semhash: a backend

vicinity knows its backends by an enumeration of its own, so ours is handed to it ready
made, and what it saved is opened by `load` of the adapter.

Needs: vicinity
"""

# %%
from tempfile import TemporaryDirectory

from sklearn.datasets import load_digits
from vicinity import Vicinity

from gleann.service.adapters.vicinity import GleannBackend, load

pixels, digits = load_digits(return_X_y=True)
items = [f"{digit} in row {row}" for row, digit in enumerate(digits)]
backend = GleannBackend.from_vectors(pixels, metric="euclidean", target_recall=0.95)
held = Vicinity(items, backend)
for item, distance in held.query(pixels[3], k=3)[0]:
    print(item, round(float(distance), 1))

# %% [markdown]
# `query_threshold` finds everything within a distance. Items can be inserted and deleted;
# the index is built anew once a quarter of it is new.

# %%
within = held.query_threshold(pixels[3], threshold=20.0)[0]
print(len(within), "items within 20")
held.delete(["3 in row 3"])
held.insert(["the same again"], pixels[3:4])
assert held.query(pixels[3], k=1)[0][0][0] == "the same again"

# %%
with TemporaryDirectory() as folder:
    held.save(f"{folder}/digits")
    again = load(f"{folder}/digits")
print(len(again), "items after loading")

# %% [markdown]
# ## semhash
#
# It keeps its index in vicinity. Put the backend in place of the one that is there:
#
# ```text
# hashed = SemHash.from_records(texts)
# hashed.index.backend = GleannBackend.from_vectors(hashed.index.vectors)
# hashed.self_deduplicate(threshold=0.95)
# ```
