"""The folders of index/native: who may include whom, without a cycle of includes."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[4]
NATIVE = ROOT / "index" / "native"

# A file includes files of its own folder and of lower lines; those of one line are
# independent.
LAYERS = [
    {"bind"},
    {"scan", "assign", "covering", "graph", "join"},
    {"tiers"},
    {"kernels"},
    {"base"},
]
RANKS = {folder: rank for rank, line in enumerate(LAYERS) for folder in line}
LIMIT = 25  # files a folder

# Code of tiers/ runs only after dispatch.cpp has seen that the CPU can run it.
COMPILED_FOR_A_TIER = {"covering/avx2.cpp", "covering/avx512.cpp"}


def includes_of(root):
    """Per file below `root`, the quoted includes, both as paths relative to `root`."""
    return {
        path.relative_to(root).as_posix(): re.findall(
            r'^#\s*include\s+"([^"]+)"', path.read_text("utf-8"), re.M
        )
        for path in sorted(root.rglob("*.?pp"))
    }


def forbidden(includes):
    """The includes of a folder above, or beside, that of the file."""
    return [
        (file, name)
        for file, names in includes.items()
        for name in names
        if folder_of(file) != folder_of(name)
        and RANKS[folder_of(file)] >= RANKS[folder_of(name)]
    ]


def folder_of(file):
    return PurePosixPath(file).parts[0]


def cycle(includes):
    """Units (a header with its source) that include each other, [] if none do."""
    units = {}
    for file, names in includes.items():
        unit = file.rpartition(".")[0]
        others = {name.rpartition(".")[0] for name in names}
        units.setdefault(unit, set()).update(others - {unit})
    try:
        TopologicalSorter(units).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def includes():
    return includes_of(NATIVE)


def test_includes_are_paths_of_files_from_the_root(includes):
    assert len(includes) > 50
    named = {name for names in includes.values() for name in names}
    assert named - includes.keys() == set()


def test_every_file_is_in_a_folder_that_is_not_full(includes):
    folders = [folder_of(file) for file in includes]
    assert set(folders) == RANKS.keys()
    assert max(map(folders.count, RANKS)) <= LIMIT
    assert all(file.count("/") == 1 for file in includes)


def test_no_include_points_up_or_sideways(includes):
    assert forbidden(includes) == []


def test_no_units_include_each_other(includes):
    assert cycle(includes) == []


def test_only_code_of_a_tier_includes_code_of_a_tier(includes):
    users = {
        file
        for file, names in includes.items()
        if any(folder_of(name) == "tiers" for name in names)
    }
    assert {file for file in users if folder_of(file) != "tiers"} == COMPILED_FOR_A_TIER


def test_comments_cite_files_that_exist():
    cited = {
        name
        for path in NATIVE.rglob("*.?pp")
        for name in re.findall(r"\b(?:index|selection)/[\w/]+\.py\b", path.read_text())
    }
    assert cited
    assert {name for name in cited if not (ROOT / name).is_file()} == set()


def test_faults_are_found(tmp_path):
    sources = {
        "scan/engine.hpp": ['"scan/picker.hpp"', "<vector>"],
        "scan/picker.hpp": ['"kernels/sink.hpp"'],
        "scan/picker.cpp": ['"scan/picker.hpp"', '"scan/engine.hpp"'],
        "kernels/sink.hpp": ['"scan/engine.hpp"', '"graph/mutual.hpp"'],
        "graph/mutual.hpp": ['"covering/covering.hpp"'],
        "covering/covering.hpp": [],
    }
    for file, names in sources.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        lines = "".join(f"#include {name}\n" for name in names)
        (tmp_path / file).write_text(lines, "utf-8")
    found = includes_of(tmp_path)
    assert forbidden(found) == [
        ("graph/mutual.hpp", "covering/covering.hpp"),
        ("kernels/sink.hpp", "scan/engine.hpp"),
        ("kernels/sink.hpp", "graph/mutual.hpp"),
    ]
    del found["kernels/sink.hpp"]
    assert {"scan/picker", "scan/engine"} == set(cycle(found))
