"""The manifest of a saved index, under its public name; see `storage/manifest.py`."""

from gleann.index.storage.manifest import (
    add_to_manifest,
    manifest_checksum,
    publish_manifest,
    read_manifest,
)

__all__ = ["add_to_manifest", "manifest_checksum", "publish_manifest", "read_manifest"]
