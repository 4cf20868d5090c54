"""Regenerate gleann.v1 from its .proto files, check it, or lint the files.

python proto/generate.py            writes the modules
python proto/generate.py --check    fails when the committed modules differ
python proto/generate.py --lint     runs `buf lint`
python proto/generate.py --breaking  runs `buf breaking` against what was released
python proto/generate.py --release  keeps the files as what was released
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from difflib import unified_diff
from importlib.util import find_spec
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "gleann" / "v1"
RELEASED = ROOT / "gleann.binpb"
"""Descriptors of the protocol that clients in use were made with: what they send and read
must stay as it is. A release replaces it."""
SHOWN_LINES = 20
LONG_LINE = 200


def main() -> int:
    """Run the action that was asked for; 0 when all is well."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare, write nothing")
    action.add_argument("--lint", action="store_true", help="run buf lint")
    action.add_argument("--breaking", action="store_true", help="run buf breaking")
    action.add_argument("--release", action="store_true", help=f"write {RELEASED.name}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.lint:
            return lint(Path(scratch))
        if arguments.breaking:
            return breaking(Path(scratch))
        if arguments.release:
            return release(Path(scratch))
        modules = generate(Path(scratch))
        return check(modules) if arguments.check else write(modules)


def generate(scratch: Path) -> dict[str, str]:
    """Compile the .proto files in `scratch`; return the text of each module by name."""
    out = scratch / "out"
    out.mkdir()
    outputs = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "pyi")]
    compile_protos(scratch, outputs)
    return {
        path.name: path.read_text() for path in sorted((out / "gleann/v1").iterdir())
    }


def lint(scratch: Path) -> int:
    """Run `buf lint` on an image, because buf would fetch google's files by itself."""
    return buf("lint", image_in(scratch), cwd=scratch)


def breaking(scratch: Path) -> int:
    """Run `buf breaking`; 0 if clients of the released protocol are still understood."""
    image = image_in(scratch)
    return buf("breaking", image, "--against", RELEASED, cwd=scratch)


def release(scratch: Path) -> int:
    """Keep the descriptors of the files as they are, without comments."""
    options = [f"--descriptor_set_out={RELEASED}", "--include_imports"]
    compile_protos(scratch, options)
    print(f"wrote {RELEASED.stat().st_size:,} bytes to {RELEASED}")
    return 0


def image_in(scratch: Path) -> Path:
    """Compile the files to an image for buf, with comments and places."""
    image = scratch / "image.binpb"
    options = [
        f"--descriptor_set_out={image}",
        "--include_imports",
        "--include_source_info",
    ]
    compile_protos(scratch, options)
    return image


def buf(command: str, image: Path, *more: str | Path, cwd: Path) -> int:
    """Run buf on an image with our configuration; its exit status."""
    program = Path(sys.executable).parent / "buf"
    config = ROOT / "buf.yaml"
    return subprocess.call([program, command, image, *more, "--config", config], cwd=cwd)


def compile_protos(scratch: Path, options: list[str]) -> None:
    """Run protoc on every file of the package."""
    sources = sorted(str(path) for path in PACKAGE.glob("*.proto"))
    includes = [
        ROOT,
        Path(grpc_tools.__file__).parent / "_proto",
        google_protos(scratch),
    ]
    command = ["protoc", *(f"-I{path}" for path in includes), *options, *sources]
    if protoc.main(command) != 0:
        raise SystemExit("protoc failed")


def google_protos(scratch: Path) -> Path:
    """Lay out google's shared files as they are imported.

    googleapis-common-protos installs longrunning/operations.proto under another name.
    """
    spec = find_spec("google.rpc")
    assert spec is not None
    installed = Path(next(iter(spec.submodule_search_locations or ()))).parent
    include = scratch / "include"
    for folder in ("api", "rpc", "longrunning"):
        target = include / "google" / folder
        target.mkdir(parents=True, exist_ok=True)
        for path in (installed / folder).glob("*.proto"):
            shutil.copy(path, target / path.name.replace("_proto.proto", ".proto"))
    return include


def committed() -> dict[str, str]:
    """The text of each committed generated module by name."""
    paths = (p for p in PACKAGE.iterdir() if "_pb2" in p.name and p.is_file())
    return {path.name: path.read_text() for path in sorted(paths)}


def write(modules: dict[str, str]) -> int:
    """Replace the committed modules."""
    for name in committed().keys() - modules.keys():
        (PACKAGE / name).unlink()
    for name, text in modules.items():
        (PACKAGE / name).write_text(text)
    print(f"wrote {len(modules)} modules to {PACKAGE}")
    return 0


def check(modules: dict[str, str]) -> int:
    """Compare with the committed modules; say what differs."""
    old = committed()
    stale = [
        n for n in sorted(old.keys() | modules.keys()) if old.get(n) != modules.get(n)
    ]
    for name in stale:
        print(f"{name} differs from what its .proto file gives:")
        before = old.get(name, "").splitlines()
        after = modules.get(name, "").splitlines()
        lines = list(
            unified_diff(before, after, "committed", "generated", lineterm="", n=0)
        )
        print("\n".join(line[:LONG_LINE] for line in lines[:SHOWN_LINES]))
    if stale:
        print(f"{len(stale)} modules are stale: run python proto/generate.py")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
