import numpy as np

from gleann.service.adapters.umap import GleannUMAP

places = GleannUMAP(metric="cosine").fit_transform(np.load("vectors.npy"))
