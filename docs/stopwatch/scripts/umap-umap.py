import numpy as np
from umap import UMAP

places = UMAP(metric="cosine").fit_transform(np.load("vectors.npy"))
