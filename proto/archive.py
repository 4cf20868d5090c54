"""Pack the .proto files that clients in other languages need, google's among them.

python proto/archive.py dist/gleann-protos.zip

Nothing else is needed to compile what is in the archive: neither gleann nor Python.
"""

import argparse
import re
import tempfile
import zipfile
from pathlib import Path

import grpc_tools
from generate import ROOT, google_protos

IMPORT = re.compile(r'^import (?:public )?"([^"]+)";', re.MULTILINE)
MOMENT = (1980, 1, 1, 0, 0, 0)
"""Date of all files, the first that zip knows: the same files give the same archive."""

NOTE = """\
The gRPC interface of gleann, with the files of google that it imports.

protoc:  protoc -I . --python_out=OUT $(find gleann -name '*.proto')
buf:     buf build
Node:    npm install @grpc/grpc-js @grpc/proto-loader, then loadSync with includeDirs ["."]

Google's files are under their own licences, which stand at the top of each.
"""


def main() -> int:
    """Write the archive that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("archive", type=Path)
    archive: Path = parser.parse_args().archive
    with tempfile.TemporaryDirectory() as scratch:
        files = sources(Path(scratch))
    archive.parent.mkdir(parents=True, exist_ok=True)
    write(archive, files)
    print(f"wrote {len(files)} files, {archive.stat().st_size:,} bytes, to {archive}")
    return 0


def sources(scratch: Path) -> dict[str, str]:
    """The text of each file by its path in the archive."""
    places = [ROOT, google_protos(scratch), Path(grpc_tools.__file__).parent / "_proto"]
    found = {
        "README.txt": NOTE,
        "LICENSE": (ROOT.parent / "LICENSE").read_text("utf-8"),
        "buf.yaml": (ROOT / "buf.yaml").read_text("utf-8"),
    }
    waiting = [f"gleann/v1/{path.name}" for path in ROOT.glob("gleann/v1/*.proto")]
    while waiting:
        name = waiting.pop()
        if name not in found:
            path = next(place / name for place in places if (place / name).is_file())
            found[name] = path.read_text("utf-8")
            waiting += IMPORT.findall(found[name])
    return found


def write(archive: Path, files: dict[str, str]) -> None:
    """Write `files` in the order of their names."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, files[name])


if __name__ == "__main__":
    raise SystemExit(main())
