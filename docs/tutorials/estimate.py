"""Know a count from few labels

How many images show an eight? Each answer costs a look. A cheap score for every row, the
proxy, says where to look; the interval is valid however bad the proxy is.

Task: know a count, share or mean that needs an expensive judgement per item
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann import selection

pixels, digits = load_digits(return_X_y=True)
is_eight = digits == 8
known = np.flatnonzero(is_eight)[:5]
proxy = 1 / (1 + ((pixels - pixels[known].mean(axis=0)) ** 2).mean(axis=1) / 20)

# %% [markdown]
# First, how many labels will it take? A share within two percentage points is an
# interval of the width 0.04.

# %%
wanted = selection.EstimateParams(target="share", budget=900)
plan = selection.plan_labels(proxy, wanted, width=0.04, prevalence=0.1)
print(f"about {plan.labels} labels; a uniform sample takes {plan.uniform_labels}")

# %% [markdown]
# Then label: the session draws rows, the oracle answers, and later draws go where the
# labels vary. It stops when the interval is narrow enough.

# %%
params = selection.EstimateParams(target="share", budget=900, stop_at_width=0.04)
session = selection.EstimateSession.start(proxy, params)
made = selection.run_estimate(session, lambda rows: (is_eight[rows], None))
print(f"{made.value:.3f}, from {made.low:.3f} to {made.high:.3f}")
print(f"{made.labels_used} labels; valid: {made.interval_valid}")
print(f"the truth is {is_eight.mean():.3f}")
assert made.high - made.low <= 0.04
assert made.low <= is_eight.mean() <= made.high

# %% [markdown]
# ## From the shell
#
# The command writes the rows to label into `todo.csv` and ends with exit code 3 until
# all answers are there.

# %%
with open("scores.csv", "w") as file:
    file.write("id,proxy\n")
    file.writelines(f"{row},{score}\n" for row, score in enumerate(proxy))
with open("answers.csv", "w") as file:
    file.write("id,positive\n")

# %% [sh]
# gleann plan-labels --proxy scores.csv --target share --width 0.04 --prevalence 0.1
# gleann estimate --proxy scores.csv --target share --budget 300 \
#     --oracle-csv answers.csv --todo todo.csv --out share.json # exit code 3

# %%
with open("answers.csv", "w") as file:
    file.write("id,positive\n")
    file.writelines(f"{row},{int(eight)}\n" for row, eight in enumerate(is_eight))

# %% [sh]
# gleann estimate --proxy scores.csv --target share --budget 300 \
#     --oracle-csv answers.csv --todo todo.csv --out share.json
