"""Rows that help with a task

A few examples of what is wanted are there, and a large pool. Choose the rows of the pool
that are most like them, without taking only the neighbours of one example.

Task: choose the rows that help with a task, from a few examples of it
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.selection.curation.target import (
    DistilRequest,
    Targets,
    compare,
    distil,
    for_target,
)

pixels, digits = load_digits(return_X_y=True)
index = gleann.SoarIndex.build(pixels, gleann.BuildParams(metric="l2"))
targets = Targets(ids=np.flatnonzero(digits == 3)[:20])

# %% [markdown]
# `round_robin` lets each example take its nearest rows in turns. The examples are rows
# of the index here, and are not chosen themselves; vectors from elsewhere work too.

# %%
chosen = for_target(index, targets, budget=100, mode="round_robin")
share = (digits[chosen.ids] == 3).mean()
print(
    f"{share:.2f} of the chosen rows are threes; {(digits == 3).mean():.2f} of all are"
)
assert share > 0.8

# %% [markdown]
# Beside random and stratified draws of as many rows:

# %%
compared = compare(index, chosen, targets, seed=0)
print(compared.chosen)
print(compared.random)

# %% [markdown]
# `distil` trains a probe on what the examples rank best, which gives a score for every
# row: a proxy for [an estimate](estimate.py), or a filter for the next million.

# %%
scores = distil(index, DistilRequest(targets=targets, budget=100)).scores
print("rows with the greatest scores:", digits[np.argsort(-scores)[:20]])

# %% [markdown]
# ## From the shell

# %%
np.save("pixels.npy", pixels)
np.save("wanted.npy", pixels[digits == 3][:20])

# %% [sh]
# gleann build pixels.npy pixels.gleann --metric l2
# gleann curate target pixels.gleann --targets wanted.npy --budget 100 --out picks.csv
