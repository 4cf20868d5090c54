"""A fresh, balanced share of the data for every epoch

Training on a tenth of the data per epoch, another tenth each time, often costs little
accuracy. The plan is a function of a seed: nothing is stored, and every machine
computes the same rows.

Task: give every epoch of training a fresh, balanced share of the data
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann.selection.curation.plans import epoch_rows, in_turns

pixels, digits = load_digits(return_X_y=True)
plan = in_turns(len(digits), fraction=0.1, strata=digits, seed=0)
first, second = epoch_rows(plan, 0), epoch_rows(plan, 1)
print("digits in the first epoch: ", np.bincount(digits[first]))
print("digits in the second epoch:", np.bincount(digits[second]))

# %% [markdown]
# Ten epochs have all rows, none twice; then comes another order. The second of four
# machines asks for its part of an epoch.

# %%
ten = np.concatenate([epoch_rows(plan, epoch) for epoch in range(10)])
assert sorted(ten) == list(range(len(digits)))
quarter = len(first) // 4
part = epoch_rows(plan, 0, start=quarter, stop=2 * quarter)
assert (part == first[quarter : 2 * quarter]).all()
print("the part of the second machine:", part[:8], "...")

# %% [markdown]
# ## From the shell

# %%
np.save("pixels.npy", pixels)

# %% [sh]
# gleann build pixels.npy pixels.gleann --metric l2
# gleann curate plan pixels.gleann --fraction 0.1 --epoch 3 --by-lists --out epoch-3.csv
