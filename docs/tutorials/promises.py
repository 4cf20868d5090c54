"""A set with a promise

Keep nine tenths of all positives, or a set that is nine tenths positive, and be able to
say so with 95 % confidence. A proxy ranks the rows; a budget of labels decides where to
cut.

Task: keep nine tenths of the positives, or a set that is nine tenths positive, with 95 % confidence
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

from gleann.selection.promises import (
    AuditParams,
    BatchAudit,
    PromiseParams,
    promised_set,
)

pixels, digits = load_digits(return_X_y=True)
eights = digits == 8
proxy = pixels @ pixels[eights].mean(axis=0)
proxy = (proxy - proxy.min()) / np.ptp(proxy)

# %%
params = PromiseParams(promise="recall", target=0.9, budget=900)
kept = promised_set(proxy, lambda ids: eights[ids], params)
recall = eights[kept.ids].sum() / eights.sum()
print(f"{len(kept.ids)} of {len(digits)} rows are kept; their recall is {recall:.3f}")
assert recall >= 0.9

# %% [markdown]
# A poor proxy keeps more rows, but does not break the promise: this one knows little.
#
# ## Check a batch that somebody else chose
#
# A uniform draw of a batch bounds the failures among the rows that nobody looked at.

# %%
batch = np.flatnonzero(proxy > 0.6)
checks = BatchAudit(batch, AuditParams(size=60, seed=1))
checks.submit(checks.ids, ~eights[checks.ids])
bound = checks.bound()
print(f"{bound.failed} of {bound.audited} checks fail")
print(f"at most {bound.at_most} of the other {bound.batch - bound.audited} do (95 %)")
unseen = np.setdiff1d(batch, checks.ids)
assert (~eights[unseen]).sum() <= bound.at_most

# %% [markdown]
# ## From the shell

# %%
with open("scores.csv", "w") as file:
    file.write("id,proxy\n")
    file.writelines(f"{row},{score}\n" for row, score in enumerate(proxy))
with open("answers.csv", "w") as file:
    file.write("id,positive\n")
    file.writelines(f"{row},{int(eight)}\n" for row, eight in enumerate(eights))

# %% [sh]
# gleann curate promise --proxy scores.csv --promise recall --target 0.9 --budget 900 \
#     --oracle-csv answers.csv --out kept.csv
