"""Several means and shares from one sample

One set of labels answers several questions, and the intervals hold together: all of them
are right in 95 of 100 samples.

Task: several means and shares from one labelled sample
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann.selection.estimate.means import MeansParams, Statistic, estimate_means

pixels, digits = load_digits(return_X_y=True)
eights = digits == 8
proxy = pixels @ pixels[eights].mean(axis=0)
proxy = (proxy - proxy.min()) / np.ptp(proxy)

# %% [markdown]
# The oracle returns a column for each statistic. The control is a number that is known
# for every row; it makes intervals narrower where it goes along with the answers.

# %%
params = MeansParams(
    statistics=(
        Statistic(name="ink"),
        Statistic(name="eights", kind="share"),
    ),
    budget=500,
    stratify_by="proxy",
)


def oracle(ids: np.ndarray) -> np.ndarray:
    """The answers of a person, or of a costly model."""
    return np.column_stack([pixels[ids].mean(axis=1), eights[ids]])


made = estimate_means(oracle, params, controls={"proxy": proxy})
for name, truth in [("ink", pixels.mean()), ("eights", eights.mean())]:
    one = made[name]
    print(
        f"{name}: {one.value:.3f}, {one.low:.3f} to {one.high:.3f}; truth {truth:.3f}"
    )
    assert one.low <= truth <= one.high

# %% [markdown]
# ## From the shell

# %%
with open("items.csv", "w") as file:
    file.write("id,score\n")
    file.writelines(f"{row},{score}\n" for row, score in enumerate(proxy))
with open("answers.csv", "w") as file:
    file.write("id,ink,eights\n")
    for row in range(len(pixels)):
        file.write(f"{row},{pixels[row].mean()},{int(eights[row])}\n")

# %% [sh]
# gleann curate means --items items.csv --control score --stratify-by score \
#     --mean ink --share eights --oracle-csv answers.csv --budget 500 --out means.csv
