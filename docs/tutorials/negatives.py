"""Hard negatives for a retriever

Rows that look like an answer and are none teach a retriever more than random rows do,
unless they are unlabelled answers. Windows, margins and a radius around the known
answers keep those out.

Task: hard negatives to train a retriever
"""

# %%
import numpy as np
from sklearn.datasets import load_digits

import gleann
from gleann.selection.curation.negatives import (
    NegativesRequest,
    Positives,
    mine_negatives,
)

pixels, digits = load_digits(return_X_y=True)
pages, queries = pixels[100:], pixels[:100]
index = gleann.SoarIndex.build(pages, gleann.BuildParams(metric="cosine"))

# %% [markdown]
# An image of the same digit answers a query. All known answers are given: they are never
# negatives.

# %%
answers = [np.flatnonzero(digits[100:] == digit) for digit in digits[:100]]
offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in answers])])
positives = Positives(offsets=offsets, ids=np.concatenate(answers))
request = NegativesRequest(
    queries=queries, positives=positives, per_query=5, window=(0, 100)
)
mined = mine_negatives(index, request)
print("query:", digits[0], "negatives:", digits[100:][mined.ids[0]])
print("their similarities:", mined.similarities[0].round(3))
assert (digits[100:][mined.ids] != digits[:100, None]).all()

# %% [markdown]
# Under-labelled data: where only one answer of each query is known, most of the nearest
# rows are answers too. A margin keeps a part of them out, and some queries come short.

# %%
one_each = Positives(offsets=np.arange(101), ids=np.array([ids[0] for ids in answers]))
for margin in (None, 0.05):
    request = NegativesRequest(
        queries=queries, positives=one_each, per_query=5, margin=margin
    )
    mined = mine_negatives(index, request)
    there = mined.rows >= 0
    false = (digits[100:][mined.rows] == digits[:100, None])[there].mean()
    print(f"margin {margin}: {false:.2f} of {there.sum()} negatives are answers")

# %% [markdown]
# ## From the shell

# %%
np.save("pages.npy", pages)
np.save("questions.npy", queries)
with open("pairs.csv", "w") as file:
    file.write("query,id\n")
    file.writelines(f"{query},{ids[0]}\n" for query, ids in enumerate(answers))

# %% [sh]
# gleann build pages.npy pages.gleann
# gleann curate negatives pages.gleann --queries questions.npy --positives pairs.csv \
#     --per-query 5 --out negatives.csv
