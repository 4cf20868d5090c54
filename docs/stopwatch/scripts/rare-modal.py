import numpy as np
from modAL.models import ActiveLearner
from sklearn.linear_model import LogisticRegression

vectors, answers, seed = (
    np.load(f"{name}.npy") for name in ("vectors", "rare", "seed")
)
learner = ActiveLearner(
    LogisticRegression(), X_training=vectors[seed], y_training=answers[seed]
)
left = np.setdiff1d(np.arange(len(vectors)), seed)
while len(learner.y_training) < 100:
    asked, _ = learner.query(
        vectors[left], n_instances=min(25, 100 - len(learner.y_training))
    )
    learner.teach(vectors[left[asked]], answers[left[asked]])
    left = np.delete(left, asked)
np.save("labelled.npy", np.setdiff1d(np.arange(len(vectors)), left))
