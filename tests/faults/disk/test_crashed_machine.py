"""The machine crashes: what was not synced is gone, names of files included.

A process changes a directory, and its syncs and renames are recorded. After each
acknowledged step an image is made of what a disk may hold then that keeps nothing but
what was synced: of each directory the names that it had when it was synced last, of
each file its bytes up to its last sync. The image must hold what was acknowledged.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from steps_of_changes import state_of

import gleann

SOURCE = Path(__file__).parents[2] / "support" / "faults" / "logged_disk.c"
SCRIPT = """
import json, shutil, sys
from contextlib import suppress
from pathlib import Path
import gleann
from steps_of_changes import source_in, state_of, steps

def copy(source, target):
    with suppress(FileNotFoundError):  # what is removed meanwhile
        shutil.copy2(source, target)

def take(number):
    # while nothing is written to it
    while True:
        with log.open("a") as opened:
            opened.write(f"step\\t{number}\\n")
        before = log.stat().st_size
        shutil.copytree(data, images / number, copy_function=copy)
        if log.stat().st_size == before:
            return
        shutil.rmtree(images / number)

data, images, log, out = map(Path, sys.argv[1:])
with gleann.Client(data) as client:
    for number, _ in enumerate(steps(client, out, source_in(out))):
        take(str(number))
        state = json.dumps(state_of(client), sort_keys=True)
        (images / f"{number}.json").write_text(state)
"""


@dataclass
class Disk:
    """What is durable, by path, after some of the recorded lines.

    Attributes:
        sizes: bytes of each file at its last sync.
        names: of each directory at its last sync.
        replaced: what a rename replaced whose directory was not synced since.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Follow one line of the record."""
        kind, *parts = line.split("\t")
        if kind == "sync":
            self.sizes[parts[1]] = int(parts[0])
        elif kind == "dir":
            self.names[parts[0]] = set(parts[1:])
            for path in [p for p in self.replaced if p.rpartition("/")[0] == parts[0]]:
                del self.replaced[path]
        elif kind == "over":
            self.replaced.setdefault(parts[1], parts[0])
        elif kind == "link":
            self.sizes[parts[1]] = self.sizes.get(parts[0], 0)
        elif kind == "rename":
            self._move(*parts)

    def cut(self, image: Path, data: Path) -> None:
        """Take from a copy of the directory what the disk need not hold."""
        for folder, folders, files in os.walk(image):
            there = data / Path(folder).relative_to(image)
            durable = self.names.get(str(there), set())
            for name in [*folders, *files]:
                if name not in durable:
                    _remove(Path(folder) / name)
            folders[:] = [name for name in folders if name in durable]
            for name in files:
                if name in durable:
                    self._cut_file(Path(folder) / name, str(there / name))

    def _cut_file(self, file: Path, path: str) -> None:
        if path in self.replaced:
            shutil.copy2(self.replaced[path], file)
            return
        if (size := self.sizes.get(path, 0)) < file.stat().st_size:
            os.truncate(file, size)

    def _move(self, old: str, new: str) -> None:
        """A file or a folder has another name; its bytes stay synced."""
        for held in (self.sizes, self.names):
            for path in [p for p in held if p == old or p.startswith(f"{old}/")]:
                held[new + path.removeprefix(old)] = held.pop(path)  # type: ignore[attr-defined]


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record, the copies and the states of all steps."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("crashed")
    library = folder / "logged_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl"], check=True)
    for name in ("data", "images", "saved", "out"):
        (folder / name).mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "LOG_UNDER": str(folder / "data"),
        "LOG_FILE": str(folder / "log"),
        "LOG_SAVED": str(folder / "saved"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    words = [str(folder / name) for name in ("data", "images", "log", "out")]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], env=environment, check=True, timeout=120
    )
    return folder


def images(recorded: Path, *, without: str = "-") -> Iterator[tuple[int, Path, str]]:
    """After each step: its number, the image and the state that it must hold.

    Lines that begin with `without` are left out, as if that had never been done.
    """
    disk, data = Disk(), recorded / "data"
    lines = (recorded / "log").read_text().splitlines()
    last = {line: place for place, line in enumerate(lines)}
    for place, line in enumerate(lines):
        if not line.startswith("step"):
            if not line.startswith(without):
                disk.take(line)
            continue
        if last[line] > place:  # the copy was made again
            continue
        number = int(line.split("\t")[1])
        image = recorded / f"image{without}{number}"
        shutil.copytree(recorded / "images" / str(number), image)
        disk.cut(image, data)
        yield number, image, (recorded / "images" / f"{number}.json").read_text()


@pytest.mark.slow
def test_what_was_synced_holds_what_was_acknowledged(recorded: Path) -> None:
    seen = verified = 0
    for number, image, expected in images(recorded):
        with gleann.Client(image) as client:
            found = json.dumps(state_of(client), sort_keys=True)
            for snapshot in client.snapshots.list():
                verified += (
                    client.snapshots.verify(snapshot.name).wait(timeout=60).count > 0
                )
        assert found == expected, f"after step {number}"
        seen += 1
    assert seen == 19
    # The snapshot, after each step from its own but the one that deletes it.
    assert verified == 10


@pytest.mark.slow
@pytest.mark.parametrize("without", ["sync", "dir"])
def test_a_sync_that_is_left_out_would_be_noticed(recorded: Path, without: str) -> None:
    """The images differ from what was acknowledged, where files or names are lost."""
    wrong = 0
    for _, image, expected in images(recorded, without=without):
        try:
            with gleann.Client(image) as client:
                wrong += json.dumps(state_of(client), sort_keys=True) != expected
        except Exception:  # noqa: BLE001  whatever an unreadable directory raises
            wrong += 1
    assert wrong > 6
