"""Spread the labels of a few items to all others

Items that lie near each other mostly have one label. Labels of a few spread over the
graph of nearest neighbours, without a model to train, and each comes with a confidence.

Task: spread the labels of a few items to all others, without training a model
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.selection.curation.graph_labels import (
    AllocationParams,
    AllocationRequest,
    PropagationRequest,
    allocate_labels,
    propagate,
)

pixels, digits = load_digits(return_X_y=True)
index = gleann.SoarIndex.build(pixels, gleann.BuildParams(metric="l2"))
few = np.arange(30)
spread = propagate(index, PropagationRequest(ids=few, labels=digits[few]))
print(f"{spread.accuracy(digits):.3f} of the rows have their digit, from 30 labels")
assert spread.accuracy(digits) > 0.9

# %% [markdown]
# The rows to label next are those between two classes.

# %%
print("the most uncertain rows:", spread.most_uncertain(5).ids)

# %% [markdown]
# Where the shares of the classes are known, an allocation labels the surest half without
# giving any class more than its share.

# %%
request = AllocationRequest(
    probabilities=spread.probabilities,
    shares=np.full(10, 0.1),
    params=AllocationParams(share=0.5),
)
half = allocate_labels(request)
right = (half.numbers == digits[half.rows]).mean()
print(f"{len(half.rows)} rows labelled, {right:.3f} of them right")
print("of each digit:", np.bincount(half.numbers))

# %% [markdown]
# ## From the shell

# %%
np.save("pixels.npy", pixels)
with open("labels.csv", "w") as file:
    file.write("id,label\n")
    file.writelines(f"{row},{digits[row]}\n" for row in few)

# %% [sh]
# gleann build pixels.npy pixels.gleann --metric l2
# gleann curate propagate pixels.gleann --labels labels.csv --out spread.csv
