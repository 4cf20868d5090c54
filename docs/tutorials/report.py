"""A page for a colleague

`--report page.html` of a command writes one file with charts, examples and the next
commands. It needs no server and no network to be read.

Task: show a colleague what was chosen, estimated or found
"""

# %%
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

pixels, digits = load_digits(return_X_y=True)
np.save("pixels.npy", pixels)
with open("items.csv", "w") as file:
    file.write("id,digit\n")
    file.writelines(f"{row},{digit}\n" for row, digit in enumerate(digits))

# %% [sh]
# gleann select farthest-first pixels.npy --metric l2 --k 90 --out picks.csv \
#     --report picks.html --show-from items.csv --show-column digit
# gleann build pixels.npy pixels.gleann --metric l2
# gleann graph pixels.gleann --k 10 --out graph.npz --report graph.html

# %%
for page in ("picks.html", "graph.html"):
    text = Path(page).read_text("utf-8")
    print(f"{page}: {len(text) // 1000} kB, {text.count('<svg')} charts")
    assert "<script src=" not in text
