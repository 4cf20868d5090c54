"""Neighbours for UMAP, t-SNE, HDBSCAN, DBSCAN and cleanlab

These look for the neighbours of every row first. `gleann.sklearn` does it for them: its
estimators have the contract of scikit-learn's `KNeighborsTransformer`, and take float
rows of any size that memory holds.

Task: give UMAP, t-SNE, HDBSCAN, DBSCAN or cleanlab their neighbours; use gleann from LangChain, modAL, vicinity, ...
"""

# %%
import numpy as np
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import LabelSpreading

from gleann.sklearn import GleannNeighbors, GleannRadiusNeighbors, knn_kernel

pixels, digits = load_digits(return_X_y=True)

# %% [markdown]
# ## A graph in a pipeline
#
# What takes `metric="precomputed"` takes the graph: t-SNE, Isomap and DBSCAN of
# scikit-learn, and its neighbour classifiers. Give the graph at least as many neighbours
# as the next step asks for: t-SNE wants three times its perplexity, and one.

# %%
classifier = make_pipeline(
    GleannNeighbors(n_neighbors=5),
    KNeighborsClassifier(n_neighbors=5, metric="precomputed"),
)
classifier.fit(pixels[:1500], digits[:1500])
share = classifier.score(pixels[1500:], digits[1500:])
print(f"{share:.3f} of the new digits are right")
assert share > 0.95

# %% [markdown]
# Up to 2,048 rows all pairs are compared. Of more, neighbours are found at the recall that
# `target_recall` names; 1 compares all.
#
# ## HDBSCAN
#
# It needs a graph in one part, and `connected` joins the parts as single linkage would.
# scikit-learn's HDBSCAN counts a row among its own neighbours, the package `hdbscan` does
# not: leave `include_self` out for the latter.

# %%
near = GleannNeighbors(n_neighbors=30).fit(pixels)
graph = near.connected(include_self=True)
clusters = HDBSCAN(min_cluster_size=30, metric="precomputed", copy=True)
found = clusters.fit_predict(graph)
print(found.max() + 1, "clusters, and", (found < 0).sum(), "rows in none")

# %% [markdown]
# ## DBSCAN
#
# It needs every row within its radius, not the nearest few. `GleannRadiusNeighbors` misses
# none, so the clusters are those of all distances.

# %%
within = GleannRadiusNeighbors(radius=20).fit_transform(pixels)
ours = DBSCAN(eps=20, metric="precomputed").fit_predict(within)
theirs = DBSCAN(eps=20).fit_predict(pixels)
print("agreement with scikit-learn's own:", adjusted_rand_score(theirs, ours))
assert (ours == theirs).all()

# %% [markdown]
# ## Label spreading
#
# The kernel of a few labels that spread is a function of the rows.

# %%
known = np.where(np.arange(len(digits)) < 100, digits, -1)
spread = LabelSpreading(kernel=knn_kernel).fit(pixels, known)
right = (spread.transduction_[100:] == digits[100:]).mean()
print(f"{right:.3f} of the others get their digit from 100 labels")
assert right > 0.85

# %% [markdown]
# ## UMAP
#
# It takes rows and distances, the row itself first, which is what it counts:

# %%
rows, distances = near.precomputed_knn(15)
print(
    rows.shape, "and the row itself comes first:", (rows[:, 0] == np.arange(1797)).all()
)

# %% [markdown]
# ```text
# from umap import UMAP
#
# places = UMAP(n_neighbors=15, precomputed_knn=(rows, distances)).fit_transform(pixels)
# ```
#
# ## openTSNE and cleanlab
#
# ```text
# distances, rows = near.kneighbors(n_neighbors=90)
# openTSNE.nearest_neighbors.PrecomputedNeighbors(rows, distances)
#
# graph = near.kneighbors_graph(mode="distance")
# cleanlab.Datalab({"y": labels}, label_name="y").find_issues(knn_graph=graph)
# ```
#
# The tests of gleann run all of these with the real libraries, where they are installed:
# `pip install '.[adapters]'`. LangChain, vicinity, scikit-activeml and others have pages
# of their own: [in other libraries](../adapters/index.md).
