"""`make protos`: what it packs compiles by itself, with protoc and with buf."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"

pytest.importorskip("grpc_tools", reason="needs grpcio-tools (pip install '.[test]')")


def pack(archive: Path) -> bytes:
    subprocess.run(
        [sys.executable, ROOT / "proto/archive.py", archive],
        check=True,
        capture_output=True,
    )
    return archive.read_bytes()


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    pack(folder / "gleann-protos.zip")
    with zipfile.ZipFile(folder / "gleann-protos.zip") as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_protoc_compiles_it_alone(unpacked: Path, tmp_path: Path) -> None:
    """With no other folder of includes, as `protoc.main` adds none."""
    names = [str(path.relative_to(unpacked)) for path in unpacked.rglob("*.proto")]
    assert len([name for name in names if name.startswith("gleann/v1/")]) == len(
        list((ROOT / "proto/gleann/v1").glob("*.proto"))
    )
    words = (
        "import sys; from grpc_tools import protoc;"
        " sys.exit(protoc.main(['protoc', '-I.', *sys.argv[1:]]))"
    )
    outputs = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-c", words, *outputs, *names],
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "gleann/v1/search_pb2_grpc.py").read_text()
    assert "class SearchServiceStub" in made


@pytest.mark.skipif(not BUF.exists(), reason="needs buf (pip install '.[test]')")
def test_buf_builds_and_lints_it_alone(unpacked: Path, tmp_path: Path) -> None:
    for words in (("build", "-o", tmp_path / "image.binpb"), ("lint",)):
        done = subprocess.run(
            [BUF, *words], cwd=unpacked, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_import_is_in_it(unpacked: Path) -> None:
    imported = {
        name
        for path in unpacked.rglob("*.proto")
        for name in re.findall(r'^import .*"(.+)";', path.read_text(), re.MULTILINE)
    }
    assert "google/longrunning/operations.proto" in imported
    assert [name for name in sorted(imported) if not (unpacked / name).is_file()] == []


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    assert pack(tmp_path / "a.zip") == pack(tmp_path / "b.zip")
