"""Near-duplicates, and rows that leak between splits

All pairs within a distance, and none beyond it: the same answer in any order of the
rows. One search at a wide radius answers every smaller one.

Task: find near-duplicates, and rows of one split that leak into another
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.selection.curation.duplicates import curve, near_duplicates, rethreshold
from gleann.selection.curation.leakage import leakage, similarity_split

pixels, _ = load_digits(return_X_y=True)
index = gleann.SoarIndex.build(pixels, gleann.BuildParams(metric="l2"))

# %% [markdown]
# The radius is a squared distance under l2, and 1 - cos under cosine (there
# `similarity=0.95` says the same). The curve shows what each radius would drop.

# %%
found = near_duplicates(index, radius=150, keep_by="id")
for point in curve(found, [50, 100, 150]):
    print(f"radius {point.radius:g}: {point.dropped} rows go, {point.kept} stay")

# %%
fewer = rethreshold(found, radius=100)
gone = np.flatnonzero(~fewer.kept)
print("rows that go:", gone[:5], "for:", fewer.duplicate_of[gone[:5]])
assert len(gone) == 17

# %% [markdown]
# ## Leakage
#
# Test rows with a near-duplicate among the training rows make a score look better than
# it is. A split that keeps similar rows together does not have them.

# %%
splits = np.where(np.arange(len(pixels)) < 1500, "train", "test")
audit = leakage(index, splits=splits, radius=150)
print(audit.summary()["leaked"], "test rows leak")

split = similarity_split(index, folds=5, together=found.duplicate_of, seed=0)
print("rows in each of the five buckets:", np.bincount(split.buckets))

# %% [markdown]
# ## From the shell

# %%
np.save("pixels.npy", pixels)

# %% [sh]
# gleann build pixels.npy pixels.gleann --metric l2
# gleann curate duplicates pixels.gleann --radius 150 --state found.npz --out found.csv
# gleann curate rethreshold found.npz --radius 100 --out fewer.csv

# %% [markdown]
# How to settle on a radius is [a page of its own](../howto/radius.md).
