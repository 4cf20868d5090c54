"""In Label Studio: items to label, and their labels back

Nothing of Label Studio is needed here: its files are JSON. A batch that gleann chose goes
out as tasks, and the export of the project comes back as labels by the ids of the items.
"""

# %%
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from gleann import selection
from gleann.service.adapters.label_studio import (
    labelling_config,
    labels_of,
    tasks_of,
    write_tasks,
)

pixels, digits = load_digits(return_X_y=True)
eights = (digits == 8).astype(int)
seed = np.array([8, 18, 28, 0, 1, 2])
session = selection.ActiveSession.start(
    pixels / 16,
    selection.ActiveParams(pool="global", batch=6),
    rows=seed,
    labels=eights[seed],
)
batch = session.next_batch()

# %% [markdown]
# ## Out
#
# `labelling_config` is the setup of the project, as its settings take it. Each task holds
# the id of its item beside what is shown; a model's guesses become predictions.

# %%
print(labelling_config(["eight", "another"], shows="image"))
urls = [f"https://example.org/digits/{row}.png" for row in batch.ids]
likely = session.probabilities()[batch.ids].max(axis=1)
guesses = session.probabilities()[batch.ids].argmax(axis=1)
tasks = tasks_of(
    batch.ids,
    {"image": urls},
    guesses=[("another", "eight")[guess] for guess in guesses],
    scores=likely,
)
write_tasks(tasks, "tasks.json")  # imported into the project by hand, or by its API

# %% [markdown]
# ## Back
#
# Export the project as JSON, or as JSON-MIN. An item's label is the class that most of its
# annotations have; `unclear` has those with as many votes for another one, and `skipped`
# those that nobody labelled. Here three people answer, and one of them errs:

# %%
export = []
for number, task in enumerate(tasks):
    name = task["data"]["gleann_id"]
    words = ["eight" if eights[name] else "another"] * 2 + ["eight"]
    results = [
        [{"from_name": "label", "type": "choices", "value": {"choices": [word]}}]
        for word in words
    ]
    export.append(
        {
            "id": number,
            "data": task["data"],
            "annotations": [{"result": result} for result in results],
        }
    )
Path("export.json").write_text(json.dumps(export))
found = labels_of("export.json")
print(found.to_dict()["summary"])
assert (found.ids == batch.ids).all()
session.submit_labels(found.ids, (found.labels == "eight").astype(int))
print(len(session.labelled_rows), "rows are labelled")

# %% [markdown]
# ## From the shell
#
# `gleann label-studio` does the same with files: a batch that `gleann select` or the option
# `--todo` wrote goes out, and the labels behind those so far go on with the session.

# %%
from csv import writer

with open("items.csv", "w") as file:
    writer(file).writerows([("id", "image"), *zip(batch.ids, urls, strict=True)])
with open("batch.csv", "w") as file:
    writer(file).writerows([("id",), *((name,) for name in batch.ids)])
with open("seed.csv", "w") as file:
    writer(file).writerows([("id", "label"), *zip(seed, eights[seed], strict=True)])

# %% [sh]
# gleann label-studio tasks batch.csv --items items.csv --shows image --classes eight,another --out from-shell.json --config studio.xml
# gleann label-studio labels export.json --positive eight --after seed.csv --out labels.csv

# %% [markdown]
# `gleann select active ... --labels labels.csv --resume` takes it from there. `--column
# positive` writes what `gleann estimate --oracle-csv` reads, and `--classes a,b` numbers.
