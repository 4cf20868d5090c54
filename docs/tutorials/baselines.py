"""Does it beat chance on your data?

A method of selection that a paper praises may do nothing for your data. Every report of
gleann therefore has random rows, stratified draws and the strongest simple method at the
same budget.

Task: see whether any of this beats chance on your data
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann.selection.coreset.select import CoresetRequest, select

pixels, digits = load_digits(return_X_y=True)
answer = select(CoresetRequest(method="farthest_first", k=90, seed=0), pixels)

# %% [markdown]
# The answer has the choice and its baselines, measured alike. Farthest-first makes the
# radius small; what that is worth for a model is another question, which
# [the tutorial on rounds](rounds.py) measures.

# %%
print(f"chosen: radius {answer.chosen.radius:.1f}")
for name, value in answer.baselines.summary().items():
    print(f"{name}: {value}")
assert answer.chosen.radius < answer.baselines.drawn.radius

# %% [markdown]
# ## From the shell
#
# The command prints the same comparison.

# %%
np.save("pixels.npy", pixels)

# %% [sh]
# gleann select farthest-first pixels.npy --metric l2 --k 90 --out picks.csv
