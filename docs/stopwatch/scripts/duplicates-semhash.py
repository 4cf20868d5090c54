import numpy as np
from semhash import SemHash

vectors = np.load("vectors.npy")
names = [str(row) for row in range(len(vectors))]
found = SemHash.from_embeddings(vectors, names, model=None).self_deduplicate(
    threshold=0.95
)
