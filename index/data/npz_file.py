"""Arrays of a .npz archive; never unpickled."""

import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.storage.regular_file import open_regular

DAMAGED_NPZ = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, SyntaxError,
    TokenError, AttributeError, struct.error, lzma.LZMAError, ValueError,
)  # fmt: skip
"""What NumPy and zipfile raise for bytes that are no .npz file."""


def npz_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays of an archive.

    Raises:
        MissingFileError: it cannot be read.
        InvalidInputError: it is no archive.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            return tuple(getattr(file, "files", ()))
    except DAMAGED_NPZ as error:
        raise InvalidInputError(f"{path.name} is no .npz file: {error}") from error


def npz_array(path: Path, name: str) -> NDArray[np.generic]:
    """An array of an archive, in memory.

    Raises:
        MissingFileError: the archive cannot be read.
        InvalidInputError: it is damaged, or the array holds pickled objects.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            return np.asarray(file[name])
    except DAMAGED_NPZ as error:
        raise InvalidInputError(
            f"{path.name}: {name} cannot be read: {error}"
        ) from error


def npz_matrix(path: Path, names: tuple[str, ...]) -> str:
    """The only array of an archive with two dimensions.

    Raises:
        InvalidInputError: none, or several; lists the arrays and their shapes.
    """
    shapes = {name: npz_array(path, name).shape for name in names}
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(matrices) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InvalidInputError(
            f"{path.name} has {len(matrices)} arrays of shape (n, d), one is needed:"
            f" name it; it has {listed or 'no arrays'}"
        )
    return matrices[0]
