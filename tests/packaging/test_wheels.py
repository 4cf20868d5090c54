"""`make test-wheels`: what was built is whole, and runs where nothing else is."""

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environments import Environment

import gleann
from gleann.index.engines import native

ROOT = Path(__file__).resolve().parents[2]
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
NATIVE = re.compile(r"gleann/index/_native\..*\.so")
PAGE = (ROOT / "docs/packaging.md").read_text("utf-8")
TIERS = ("amx", "avx512", "avx2", "portable")
MOST_BYTES = 4_000_000
"""Of the wheel with the kernels."""


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The wheel with the kernels, of this Python."""
    [found] = dist.glob(f"gleann-{gleann.__version__}-{TAG}-*.whl")
    return found


@pytest.fixture(scope="module")
def wheel_of_python(dist: Path) -> Path:
    """The wheel without kernels."""
    [found] = (dist / "any").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def source(dist: Path) -> set[str]:
    """The files of the source archive, by their path in the checkout."""
    with tarfile.open(dist / f"gleann-{gleann.__version__}.tar.gz") as archive:
        return {
            member.name.partition("/")[2]
            for member in archive.getmembers()
            if member.isfile()
        }


@pytest.fixture(scope="module")
def installed(wheel: Path, make_environment: Callable[[], Environment]) -> Environment:
    """An environment with the wheel and what it says it needs."""
    environment = make_environment()
    environment.install(wheel)
    return environment


@pytest.fixture(scope="module")
def client_alone(
    wheel_of_python: Path, make_environment: Callable[[], Environment]
) -> Environment:
    """An environment with the other wheel and what the page says a client needs."""
    [needs] = re.findall(r"^pip install ((?:[\w-]+ ?)+)$", PAGE, re.MULTILINE)
    environment = make_environment()
    environment.install("--no-deps", wheel_of_python)
    environment.install(*needs.split())
    return environment


def names_in(wheel: Path) -> set[str]:
    """Its files, without those that the format adds."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    return {one for one in names if not one.endswith("/") and ".dist-info" not in one}


def modules() -> set[str]:
    """Every Python file of the package, by its path in a wheel."""
    found = {f"gleann/{file.name}" for file in (ROOT / ".ns/gleann").glob("*.py")}
    rooms = [(ROOT / room, room) for room in ("index", "selection", "service")]
    for folder, room in [*rooms, (ROOT / "proto/gleann/v1", "v1")]:
        for file in folder.rglob("*.py"):
            found.add(f"gleann/{room}/{file.relative_to(folder)}")
    return found


def test_the_wheel_has_the_kernels_and_every_module(wheel: Path) -> None:
    assert re.search(r"-manylinux_2_\d+_x86_64", wheel.name), wheel.name
    names = names_in(wheel)
    [kernels] = [name for name in names if NATIVE.fullmatch(name)]
    with zipfile.ZipFile(wheel) as archive:
        compiled = archive.read(kernels)
    assert [tier for tier in TIERS if tier.encode() not in compiled] == []
    assert modules() == {name for name in names if name.endswith(".py")}
    assert wheel.stat().st_size < MOST_BYTES


def test_its_tag_is_what_auditwheel_reads_from_its_symbols(wheel: Path) -> None:
    program = ROOT / f".venv-wheels/{TAG}/bin/auditwheel"
    said = subprocess.run(
        [program, "show", wheel], capture_output=True, text=True, check=True
    ).stdout
    [tag] = re.findall(r'platform\s+tag:\s+"(manylinux_\d+_\d+_x86_64)"', said)
    assert tag in wheel.name


def test_the_other_wheel_is_of_python_alone(wheel: Path, wheel_of_python: Path) -> None:
    assert wheel_of_python.name.endswith("-py3-none-any.whl")
    kernels = {name for name in names_in(wheel) if NATIVE.fullmatch(name)}
    assert names_in(wheel_of_python) == names_in(wheel) - kernels


def test_the_source_has_all_that_is_compiled_and_nothing_twice(
    source: set[str],
) -> None:
    kernels = {
        str(file.relative_to(ROOT))
        for ending in ("cpp", "hpp")
        for file in (ROOT / "index/native").rglob(f"*.{ending}")
    }
    assert kernels <= source
    assert {f".ns/{name}" for name in modules()} <= source
    assert not [name for name in source if name.startswith(("selection/", "proto/"))]
    assert not [name for name in source if name.endswith((".so", ".pyc"))]


def test_doctor_finds_the_native_engine_and_no_faiss(installed: Environment) -> None:
    said = installed.output_of_gleann("doctor")
    assert re.search(r"native serves", said), said
    assert re.search(r"works: recall@10 1\.000 .* by native", said), said
    assert re.search(r"faiss +not installed", said), said
    for tier in native.tiers():
        assert tier in said


def test_the_script_runs(installed: Environment) -> None:
    said = installed.output_of_gleann("--version")
    assert said.split() == ["gleann,", "version", gleann.__version__]


README_SESSION = """
import doctest, pathlib, sys
import gleann
assert "site-packages" in gleann.__file__, gleann.__file__
text = pathlib.Path(sys.argv[1]).read_text("utf-8")
example = doctest.DocTestParser().get_doctest(text, {}, "README", "README.md", 0)
result = doctest.DocTestRunner().run(example)
print(result.attempted)
sys.exit(result.failed > 0)
"""


def test_the_readme_prints_what_it_shows(installed: Environment) -> None:
    attempted = installed.output_of("-c", README_SESSION, ROOT / "README.md")
    assert int(attempted) > 50


COMMANDS = """
import numpy as np
rows = np.random.default_rng(0).normal(size=(500, 8)).astype("f4")
np.save("rows.npy", rows)
np.save("queries.npy", rows[:3])
from gleann.service.cli.main import run
for line in (
    "build rows.npy rows.gleann --metric l2",
    "search rows.gleann queries.npy --k 2 --out found.parquet",
    "select farthest-first rows.gleann --k 5 --out chosen.parquet",
    "graph rows.gleann --k 3 --out graph.npz",
):
    assert run(line.split()) == 0, line
import pyarrow.parquet as pq
assert pq.read_table("chosen.parquet").num_rows == 5
assert pq.read_table("found.parquet").num_rows == 6
"""


def test_commands_build_search_and_select(installed: Environment) -> None:
    installed.output_of("-c", COMMANDS)


CLIENT = """
import sys
import numpy as np
import gleann
rows = np.random.default_rng(0).normal(size=(300, 8)).astype("f4")
with gleann.Client(sys.argv[1]) as client:
    client.create_index("words", dim=8, metric="l2")
    client.upsert("words", np.arange(300), rows)
    client.build("words").wait()
    found = client.search("words", rows[:4])
    assert found.ids[:, 0].tolist() == [0, 1, 2, 3]
    assert len(client.coresets.farthest_first("words", k=5).wait().ids) == 5
from gleann.index.extension import available
assert not available()
"""


@pytest.fixture
def address(installed: Environment) -> Iterator[str]:
    """Where `gleann serve` of the wheel listens."""
    words = ["serve", "--data", "data", "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(
        [installed.gleann, *words],
        cwd=installed.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[2].rstrip(",")
    finally:
        server.terminate()
        server.communicate(timeout=60)


def test_a_client_without_the_engine_uses_a_server(
    client_alone: Environment, address: str
) -> None:
    client_alone.output_of("-c", CLIENT, address)


def test_a_client_alone_says_what_it_lacks(client_alone: Environment) -> None:
    listed = client_alone.output_of("-m", "pip", "list", "--format", "freeze")
    absent = {"scipy", "scikit-learn", "pyarrow", "sqlglot"}
    assert not absent & {line.partition("==")[0] for line in listed.splitlines()}


LACKING = """
import subprocess, sys
import gleann
from gleann.index.errors import MissingPackageError
for what in (lambda: gleann.Client("folder"), lambda: gleann.data):
    try:
        what()
    except MissingPackageError as error:
        print(error)
done = subprocess.run([sys.argv[1], "search"], capture_output=True, text=True)
assert done.returncode == 1, done
print(done.stderr, end="")
"""


def test_what_a_client_alone_lacks_is_said_with_its_remedy(
    client_alone: Environment,
) -> None:
    lines = client_alone.output_of("-c", LACKING, client_alone.gleann).splitlines()
    assert len(lines) == 3, lines
    for line, package in zip(lines, ("pyarrow", "pyarrow", "click"), strict=True):
        assert f"needs the package {package}, which is not installed" in line
        assert "scikit-learn" in line.rpartition("pip install ")[2]
