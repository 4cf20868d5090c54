"""Build a training set in rounds

Label a batch, train, pick the next batch by what the model is unsure of. Whether that
beats random draws depends on the data, so the run measures both.

Task: build a training set in rounds: label, train, pick the next items
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann import selection

pixels, digits = load_digits(return_X_y=True)
pool, labels = pixels[:1400] / 16, digits[:1400]
test, truth = pixels[1400:] / 16, digits[1400:]


def accuracy(session: selection.RoundsSession) -> dict[str, float]:
    """Of the model that the session has trained, on rows that it never saw."""
    if len(session.labelled_rows) == 0:
        return {"accuracy": 0.0}
    likeliest = session.score_vectors(test).argmax(axis=1)
    return {"accuracy": float((np.array(session.classes)[likeliest] == truth).mean())}


# %%
def run(picker: str) -> selection.RoundsRun:
    """Label 300 rows in rounds of 30."""
    session = selection.RoundsSession.start(
        pool, selection.RoundsParams(picker=picker, batch=30, seed=0)
    )
    return selection.run_rounds(
        session, lambda rows: labels[rows], budget=300, evaluate=accuracy
    )


runs = {picker: run(picker) for picker in ("margin", "random")}
for picker, made in runs.items():
    curve = [record.metrics["accuracy"] for record in made.history]
    print(picker, np.round(curve[2::2], 3))
assert runs["margin"].history[-1].metrics["accuracy"] > 0.9

# %% [markdown]
# ## From the shell

# %%
np.save("pool.npy", pool)
with open("labels.csv", "w") as file:
    file.write("id,label\n")
    file.writelines(f"{row},{label}\n" for row, label in enumerate(labels[:60]))

# %% [sh]
# gleann select rounds pool.npy --metric l2 --labels labels.csv --picker margin \
#     --batch 30 --state rounds.json --out batch.csv
