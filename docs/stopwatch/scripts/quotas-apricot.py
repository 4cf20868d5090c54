import numpy as np
from apricot import FacilityLocationSelection

vectors, groups = np.load("vectors.npy"), np.load("groups.npy")
picks = []
for group in np.unique(groups):
    rows = np.flatnonzero(groups == group)
    choose = FacilityLocationSelection(1000, optimizer="lazy").fit(vectors[rows])
    picks.append(rows[choose.ranking])
np.save("picks.npy", np.concatenate(picks))
