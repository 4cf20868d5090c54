"""From small-text

small-text trains text classifiers, transformers too, within its loop. gleann starts at vectors: it
has no text model, and takes probabilities of yours where logistic regression will not do. The code of
small-text on this page was not run here.

"""

# %% [markdown]
# ```text
# from small_text import PoolBasedActiveLearner, BreakingTies, SklearnDataset
#
# learner = PoolBasedActiveLearner(classifier_factory, BreakingTies(), dataset)
# learner.initialize(seed, labels)
# asked = learner.query(num_samples=20)
# learner.update(answers)
# ```
#
# In gleann, with the margin strategy, which is what breaking ties is:

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann import selection

pixels, digits = load_digits(return_X_y=True)
seed = np.arange(50)
session = selection.ActiveSession.start(
    pixels / 16,
    selection.ActiveParams(strategy="margin", pool="global", batch=20),
    rows=seed,
    labels=digits[seed],
)
batch = session.next_batch()
session.submit_labels(batch.ids, digits[batch.ids])
print(len(session.labelled_rows), "rows labelled")

# %% [markdown]
# A transformer of yours stands behind `model="given"`: the session says which rows it wants
# probabilities for, and picks by them.

# %%
given = selection.ActiveSession.start(
    pixels / 16,
    selection.ActiveParams(model="given", strategy="margin", pool="global", batch=20),
    rows=seed,
    labels=digits[seed],
)
wanted = given.wanted()
rng = np.random.default_rng(0)
given.submit_probabilities(wanted, rng.dirichlet(np.ones(10), size=len(wanted)))
print(len(given.next_batch().ids), "rows to label")

# %% [markdown]
# ## Call by call
#
# | small-text | gleann |
# |---|---|
# | `BreakingTies`, `PredictionEntropy`, `LeastConfidence` | `strategy="margin"`, `"entropy"`, `"least_confidence"` |
# | `SEALS(base_strategy)`, `AnchorSubsampling` | `pool="seals"`, `pool="anchors"` |
# | `GreedyCoreset`, `DiscriminativeActiveLearning` | rounds with `picker="farthest_first"`; none |
# | `initialize`, `query`, `update` | `start`, `next_batch`, `submit_labels` |
# | `ignore` labels (`LABEL_IGNORED`) | `ignore(ids)` |
# | stopping criteria (`KappaAverage`, ...) | `stop_advice()` |
# | `learner.save(file)`, by pickle | `state()`, JSON, and `resume` |
#
# To keep the loop of small-text and take the batches of gleann alone, use its query strategy:
# [in other libraries](../adapters/in_scikit_activeml.py).
