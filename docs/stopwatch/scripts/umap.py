import numpy as np
from umap import UMAP

import gleann

vectors = np.load("vectors.npy")
graph = gleann.knn_graph_of(vectors, k=14)
own = np.arange(len(vectors))[:, None]
rows = np.hstack([own, graph.rows.reshape(-1, 14)])
distances = np.hstack([0.0 * own, graph.distances.reshape(-1, 14)])
places = UMAP(metric="cosine", precomputed_knn=(rows, distances)).fit_transform(vectors)
