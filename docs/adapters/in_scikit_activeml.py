"""In scikit-activeml, modAL and small-text: a query strategy

The pickers of gleann choose the batch; the loop, the labels and the model are yours.

Needs: skactiveml
"""

# %%
import numpy as np
from skactiveml.classifier import SklearnClassifier
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from gleann.service.adapters.skactiveml import GleannStrategy

pixels, digits = load_digits(return_X_y=True)
rows = (pixels / 16).astype(np.float32)
labels = np.full(len(rows), np.nan)
labels[:20] = digits[:20]
model = SklearnClassifier(
    LogisticRegression(max_iter=500), classes=np.arange(10), random_state=0
)

# %% [markdown]
# `picker` is one of those of [rounds](../tutorials/rounds.py): "margin",
# "cluster_margin", "badge", "gist", "farthest_first" and others.

# %%
strategy = GleannStrategy("cluster_margin", random_state=0)
for _ in range(4):
    chosen = strategy.query(rows, labels, model, batch_size=20)
    labels[chosen] = digits[chosen]
right = (model.fit(rows, labels).predict(rows) == digits).mean()
print(f"{int(np.isfinite(labels).sum())} labels, {right:.3f} of all rows right")
assert right > 0.8

# %% [markdown]
# ## modAL
#
# ```text
# from gleann.selection.rounds import RoundsParams
# from gleann.service.adapters.modal import GleannStrategy
#
# learner = ActiveLearner(
#     estimator=LogisticRegression(),
#     query_strategy=GleannStrategy(RoundsParams(picker="badge")),
#     X_training=rows[:20],
#     y_training=digits[:20],
# )
# asked, _ = learner.query(rows[20:], n_instances=20)
# ```
#
# ## small-text
#
# Its strategy takes the embeddings of the items of the data set:
#
# ```text
# from gleann.service.adapters.small_text import GleannStrategy
#
# learner = PoolBasedActiveLearner(factory, GleannStrategy(vectors), dataset)
# ```
