import numpy as np
from umap import UMAP

from gleann.sklearn import GleannNeighbors

vectors = np.load("vectors.npy")
knn = GleannNeighbors(n_neighbors=15, metric="cosine").fit(vectors).precomputed_knn()
places = UMAP(metric="cosine", precomputed_knn=knn).fit_transform(vectors)
