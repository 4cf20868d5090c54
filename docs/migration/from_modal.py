"""From modAL

The code of modAL on this page was not run here: its last release, 0.4.2.1, fails with
scikit-learn 1.9, as it passes `force_all_finite`, which is no longer there.
"""

# %% [markdown]
# modAL queries an estimator on the pool, and leaves the loop and the pool to you.
#
# ```text
# from modAL.models import ActiveLearner
# from modAL.uncertainty import entropy_sampling
#
# learner = ActiveLearner(
#     estimator=LogisticRegression(),
#     query_strategy=entropy_sampling,
#     X_training=pool[seed],
#     y_training=labels[seed],
# )
# left = np.setdiff1d(np.arange(len(pool)), seed)
# for _ in range(4):
#     asked, _ = learner.query(pool[left], n_instances=20)
#     learner.teach(pool[left[asked]], labels[left[asked]])
#     left = np.delete(left, asked)
# ```
#
# In gleann a session keeps the pool, the labels and the open batch; it can be saved and
# resumed.

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann import selection

pixels, digits = load_digits(return_X_y=True)
pool = pixels / 16
eights = (digits == 8).astype(int)
seed = np.array([8, 18, 28, 0, 1, 2])
session = selection.ActiveSession.start(
    pool,
    selection.ActiveParams(pool="global", batch=20),
    rows=seed,
    labels=eights[seed],
)
run = selection.run_active(session, lambda rows: eights[rows], budget=86)
likeliest = session.probabilities().argmax(axis=1)
print("gleann:", (likeliest == eights).mean())
assert (likeliest == eights).mean() > 0.95

# %% [markdown]
# ## Call by call
#
# | modAL | gleann |
# |---|---|
# | `ActiveLearner(estimator, query_strategy)` | `ActiveSession.start(vectors, params, rows=, labels=)` |
# | `entropy_sampling`, `margin_sampling`, `uncertainty_sampling` | `strategy="entropy"`, `"margin"`, `"least_confidence"` |
# | any scikit-learn estimator | `model="own"`, `classifier=estimator` |
# | `query(X, n_instances=20)` | `next_batch()`, with `batch=20` |
# | `teach(X, y)` | `submit_labels(ids, labels)` |
# | batch-mode ranking | `pool="anchors"`, or rounds with `picker="badge"`, `"cluster_margin"` |
# | committees, Bayesian optimisation | none |
#
# To keep the loop of modAL and take the batches of gleann alone, use its query strategy:
# [in other libraries](../adapters/in_scikit_activeml.py).
