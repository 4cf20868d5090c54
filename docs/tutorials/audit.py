"""What a choice covers and repeats

A chosen subset can repeat itself, or leave a group out, and its size does not show it.
An audit measures diversity, coverage and groups beside random rows of the same number.

Task: see what a choice covers and repeats
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann import selection
from gleann.selection.curation.audit import AuditRequest, audit

pixels, digits = load_digits(return_X_y=True)
covering = selection.k_center(pixels, k=100)
ones = np.flatnonzero(digits == 1)[:100]

# %% [markdown]
# The Vendi score of order 1 is the effective number of different rows; the radius is how
# near the choice comes to 99 % of the pool.

# %%
for name, rows in [("k-center", covering.rows), ("only ones", ones)]:
    measured = audit(
        pixels, AuditRequest(chosen=rows, labels={"digit": digits}, metric="l2")
    )
    print(name)
    for one in measured.sets:
        print(f"  {one.name}: {one.rows} rows, Vendi {one.vendi[2]:.1f}")
    assert measured.sets[0].name == "chosen"

# %% [markdown]
# Groups before and after, of the ones; `to_pandas` has them as a table.

# %%
table = measured.tables[0]
print("in the pool:", table.pool)
print("chosen:     ", table.chosen)

# %% [markdown]
# ## From the shell

# %%
np.save("pixels.npy", pixels)
with open("picks.csv", "w") as file:
    file.write("id\n" + "".join(f"{row}\n" for row in covering.rows))

# %% [sh]
# gleann curate audit pixels.npy --metric l2 --chosen picks.csv --out audit.csv
