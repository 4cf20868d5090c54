"""What rows are coded by, in the files of an index."""

from gleann.index.codes import Encoding
from gleann.index.storage.files import Draft
from gleann.index.storage.manifest import PROJECTION
from gleann.index.storage.packing import pack_encoding


def require_features(draft: Draft, encoding: Encoding) -> None:
    """Let only readers that know `encoding` open the index."""
    if encoding.projection is not None:
        draft.require(PROJECTION)


def add_encoding(draft: Draft, encoding: Encoding) -> None:
    """Write the arrays of an encoding.

    Raises:
        StorageError: the disk refused.
    """
    require_features(draft, encoding)
    for name, array in pack_encoding(encoding).items():
        draft.add(name, array)
