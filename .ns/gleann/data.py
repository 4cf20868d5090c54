"""One door for data: `open` takes files, folders, object stores, tables and arrays.

What it returns has ids, vectors and payload, and is built from:

    from gleann import SoarIndex, data

    pages = data.open("pages/*.parquet", columns=["language"])
    index = SoarIndex.build(pages)
"""

from gleann._needed import needing as _needing

with _needing("gleann.data"):
    from gleann.index.data.dataset import Batch, Dataset
    from gleann.index.data.open import open_dataset as open

__all__ = ["Batch", "Dataset", "open"]
