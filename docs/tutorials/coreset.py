"""Choose a training subset that covers the data

A subset should come near every row, and rather hold what a model is unsure of. Weighted
k-center weighs both, and its certificate says how far from the best possible the choice
is at most.

Task: choose a training subset that covers the data and keeps the uncertain items
"""

# %%
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from gleann import selection

pixels, digits = load_digits(return_X_y=True)
pool, labels = pixels[:1400] / 16, digits[:1400]
test, truth = pixels[1400:] / 16, digits[1400:]

# %% [markdown]
# Costs are margins of a model that a few labels trained: small where it is unsure.

# %%
first = np.arange(60)
model = LogisticRegression(max_iter=1000).fit(pool[first], labels[first])
costs = selection.margin_costs(model.predict_proba(pool))
chosen = selection.weighted_k_center(pool, k=140, costs=costs, cost_weight=0.01)
print(f"radius {chosen.radius:.2f}, objective {chosen.objective:.2f}")
print(f"at most {chosen.ratio:.2f} times the best objective that 140 rows can have")

# %% [markdown]
# Is it worth it? Measure random rows in the same way, and train on both.

# %%
drawn = selection.uniform(len(pool), k=140, seed=0)
measured = selection.measure(pool, drawn.rows, costs=costs, cost_weight=0.01)
print(f"random rows: radius {measured.radius:.2f}, objective {measured.objective:.2f}")
for name, rows in [("chosen", chosen.rows), ("random", drawn.rows)]:
    trained = LogisticRegression(max_iter=1000).fit(pool[rows], labels[rows])
    print(
        f"accuracy of a model trained on the {name} rows: {trained.score(test, truth):.3f}"
    )
assert chosen.objective < measured.objective

# %% [markdown]
# With `within_groups` each class, source or language has a quota of its own:

# %%
quotas = selection.equal_quotas(labels, k=140)
even = selection.within_groups(
    selection.weighted_k_center, pool, groups=labels, quotas=quotas, costs=costs
)
print(np.bincount(labels[even.rows]))

# %% [markdown]
# ## From the shell

# %%
np.save("pool.npy", pool)
np.save("costs.npy", costs)

# %% [sh]
# gleann select weighted-k-center pool.npy --metric l2 --k 140 --costs costs.npy \
#     --cost-weight 0.01 --out picks.csv
