import faiss
import numpy as np

rows, queries = np.load("vectors.npy"), np.load("queries.npy")
faiss.normalize_L2(rows)
faiss.normalize_L2(queries)
index = faiss.index_factory(rows.shape[1], "HNSW32", faiss.METRIC_INNER_PRODUCT)
index.add(rows)
similarities, ids = index.search(queries, 10)
np.savez("found.npz", ids=ids, similarities=similarities)
