"""The payload file of a saved index, and its entry in the manifest."""

from collections.abc import Iterable

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    MissingFileError,
)
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.storage.files import Draft, Saved
from gleann.index.storage.manifest import PAYLOAD_FILE


def add_payload(
    draft: Draft, blocks: Iterable[Payload], schema: Schema, *, n: int
) -> None:
    """Write the payload of n rows to an index that is being written.

    Args:
        draft: of the index.
        blocks: in the order of the rows; held one at a time.
        schema: that of every block; without columns nothing is written.
        n: rows of the index.

    Raises:
        InvalidInputError: a block of another schema.
        DimensionMismatchError: the blocks do not have n rows together.
        StorageError: the disk refused.
    """
    if not len(schema):
        return
    with draft.hashed(PAYLOAD_FILE) as file:
        rows = Payload.write_to(file, blocks, schema)
        if rows != n:
            raise DimensionMismatchError(f"payload has {rows} entries for {n} rows")
    entry = {"file": PAYLOAD_FILE, "rows": rows, "sha256": file.sha256}
    draft.describe("payload", {**entry, "schema": schema.to_values()})


def read_payload(saved: Saved, *, n: int) -> Payload | None:
    """The payload of a saved index of n rows, memory-mapped; None if it has none.

    Raises:
        CorruptDataError: its file or its entry does not hold.
    """
    entry = saved.payload
    if entry is None:
        return None
    file = saved.folder / PAYLOAD_FILE
    try:
        schema = Schema.from_values(entry["schema"])
        payload = Payload.open(file, schema, sha256=str(entry["sha256"]))
    except (InvalidInputError, MissingFileError) as error:
        raise CorruptDataError(f"{file}: {error}") from error
    if not len(payload) == entry["rows"] == n:
        raise CorruptDataError(
            f"{file} has {len(payload)} rows, its manifest says {entry['rows']!r:.40},"
            f" the index has {n}"
        )
    return payload
