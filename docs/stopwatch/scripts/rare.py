import numpy as np

import gleann
from gleann import selection

vectors, answers, seed = (
    np.load(f"{name}.npy") for name in ("vectors", "rare", "seed")
)
index = gleann.SoarIndex.build(vectors)
near = selection.IndexNeighbours(index)
session = selection.ActiveSession.start(
    vectors, rows=seed, labels=answers[seed], neighbours=near
)
run = selection.run_active(session, lambda rows: answers[rows], budget=100)
np.save("labelled.npy", session.labelled_rows)
