"""Find and label a rare concept

Some items of interest are known, and the pool has a few more among very many others.
Random labels would be wasted on the others. Active learning asks for those that the
classifier is least sure of.

Task: find and label a rare concept without scanning the pool each round
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann import selection

pixels, digits = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
eights = rng.permutation(np.flatnonzero(digits == 8))[:40]
rows = np.concatenate([np.flatnonzero(digits != 8), eights])
pool, rare = pixels[rows], digits[rows] == 8
print(f"{rare.sum()} of {len(pool)} rows are of the concept")

# %% [markdown]
# The seed is three known positives and five others. The index gives the neighbours of
# what is labelled; where a look at every row costs no more, the session does that and
# says so.

# %%
index = gleann.SoarIndex.build(pool, gleann.BuildParams(metric="l2"))
seed = np.concatenate([np.flatnonzero(rare)[:3], np.flatnonzero(~rare)[:5]])
session = selection.ActiveSession.start(
    index.vectors,
    selection.ActiveParams(batch=10, seed=0),
    rows=seed,
    labels=rare[seed].astype(int),
    neighbours=selection.IndexNeighbours(index),
)
print(session.pool_choice.pool)

# %% [markdown]
# The oracle is where a person, or a costly model, answers.

# %%
run = selection.run_active(session, lambda ids: rare[ids].astype(int), budget=98)
print(f"{run.history[-1].positives} positives among {run.history[-1].labelled} labels")
drawn = rare[rng.choice(len(pool), size=98, replace=False)].sum()
print(f"{drawn} among as many labels drawn at random")
assert run.history[-1].positives > 3 * drawn

# %% [markdown]
# ## From the shell
#
# A batch at a time: the command writes what to label next, and goes on from its state.

# %%
np.save("pool.npy", pool)
lines = [f"{row},{int(rare[row])}" for row in seed]
with open("seed.csv", "w") as file:
    file.write("\n".join(["id,label", *lines]) + "\n")

# %% [sh]
# gleann build pool.npy pool.gleann --metric l2
# gleann select active pool.gleann --labels seed.csv --state session.json \
#     --batch 10 --out batch-1.csv

# %% [markdown]
# With several people, a [session of a server](../howto/labelling.md) hands out batches.
