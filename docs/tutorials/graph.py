"""The nearest neighbours of every row

The k-nearest-neighbour graph is the input of clustering, of embeddings in the plane and
of label spreading. It is a sparse matrix, made in one pass over the lists rather than
by n searches.

Task: the nearest neighbours of every row, as a sparse matrix
"""

# %%
import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.datasets import load_digits

import gleann

pixels, digits = load_digits(return_X_y=True)
graph = gleann.knn_graph_of(pixels, metric="l2", k=10, target_recall=0.95)
matrix = graph.to_scipy()
print(matrix.shape, matrix.nnz, "distances; recall about", graph.estimated_recall)

# %% [markdown]
# Rows whose neighbours mostly have another label than they are worth a look.

# %%
neighbours = graph.rows.reshape(len(pixels), graph.k)
agreement = (digits[neighbours] == digits[:, None]).mean(axis=1)
print(f"{agreement.mean():.3f} of the neighbours have the row's own digit")
print("rows that no neighbour agrees with:", np.flatnonzero(agreement == 0)[:10])
assert agreement.mean() > 0.95

# %% [markdown]
# The components of the graph show what hangs together at this number of neighbours.

# %%
pieces, piece_of = connected_components(matrix, directed=False)
print(pieces, "pieces; the largest has", np.bincount(piece_of).max(), "rows")

# %% [markdown]
# With an index that is there already, `gleann.knn_graph(index, k=10)` uses its lists.
#
# ## From the shell

# %%
np.save("pixels.npy", pixels)

# %% [sh]
# gleann build pixels.npy pixels.gleann --metric l2
# gleann graph pixels.gleann --k 10 --target-recall 0.95 --out graph.npz
