"""Files of a place, as Arrow reads them."""

from typing import Any

import pyarrow as pa
import pyarrow.fs

from gleann.index.data.byte_file import ByteFile
from gleann.index.data.files import ListedPlace


class ArrowView(pa.fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """What Arrow needs to read the files of a place; it writes none."""

    def __init__(self, place: ListedPlace) -> None:
        self._place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArrowView) and other._place is self._place

    def __hash__(self) -> int:
        return id(self._place)

    def get_type_name(self) -> str:
        """Name of the kind."""
        return "gleann"

    def normalize_path(self, path: str) -> str:
        """The path as it is."""
        return path

    def get_file_info(self, paths: list[str]) -> list[Any]:
        """Size of each file."""
        return [
            pa.fs.FileInfo(path, pa.fs.FileType.File, size=self._opened(path).size)
            for path in paths
        ]

    def open_input_file(self, path: str) -> Any:
        """A file that Arrow may seek in."""
        return pa.PythonFile(_SeekableFile(self._opened(path)), mode="r")

    def open_input_stream(self, path: str) -> Any:
        """A file that Arrow reads front to back."""
        return self.open_input_file(path)

    def get_file_info_selector(self, selector: Any) -> list[Any]:
        """Files below a folder."""
        return self.get_file_info(self._place.names(selector.base_dir))

    def _opened(self, path: str) -> ByteFile:
        return self._place.byte_file(path)

    def _refuse(self, *args: Any) -> None:
        raise NotImplementedError("files are only read")

    create_dir = delete_dir = delete_dir_contents = _refuse
    delete_root_dir_contents = delete_file = move = copy_file = _refuse
    open_output_stream = open_append_stream = _refuse


class _SeekableFile:
    """A `ByteFile` as Python's files are."""

    closed = False

    def __init__(self, file: ByteFile) -> None:
        self._file = file
        self._at = 0

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes, all of them for None or below 0."""
        left = max(0, self._file.size - self._at)
        count = left if count is None or count < 0 else min(count, left)
        room = bytearray(count)
        done = 0
        while done < count:
            got = self._file.read_some(memoryview(room)[done:], self._at + done)
            if got == 0:
                break  # cut meanwhile; Arrow says so
            done += got
        self._at += done
        return bytes(room[:done])

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; `whence` as of Python's files."""
        begin = (0, self._at, self._file.size)[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is not."""
        return False

    def flush(self) -> None:
        """Nothing is to be written."""

    def close(self) -> None:
        """The file is closed when nobody holds it."""
        self.closed = True
