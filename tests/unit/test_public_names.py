"""The contract of names: what `import gleann` offers, and at what price."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import gleann

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    ".".join(("gleann", *path.parent.relative_to(ROOT).parts))
    for room in ("index", "selection", "service")
    for path in (ROOT / room).rglob("__init__.py")
)
OFFERING = {
    "gleann.index",
    "gleann.selection",
    "gleann.selection.active",
    "gleann.selection.rounds",
    "gleann.selection.coreset",
    "gleann.selection.coreset.methods",
    "gleann.selection.curation.audit",
    "gleann.selection.curation.duplicates",
    "gleann.selection.curation.graph_labels",
    "gleann.selection.curation.leakage",
    "gleann.selection.curation.negatives",
    "gleann.selection.curation.plans",
    "gleann.selection.curation.target",
    "gleann.selection.estimate",
    "gleann.selection.estimate.means",
    "gleann.selection.promises",
    "gleann.selection.sklearn",
    "gleann.service.client",
    "gleann.service.config",
    "gleann.service.server",
}
"""The packages with names of their own; of the others, only modules are imported."""


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_exactly_what_is_public(name):
    package = import_module(name)
    offered = list(getattr(package, "__all__", ()))
    assert offered == sorted(set(offered))
    assert bool(offered) == (name in OFFERING)
    modules = {n for n in offered if isinstance(getattr(package, n), ModuleType)}
    public = {
        n
        for n, value in vars(package).items()
        if not n.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(offered) - modules


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("gleann.index.errors", ["GleannError", "CorruptDataError", "StorageError"]),
        ("gleann.index.manifest", ["manifest_checksum", "read_manifest"]),
        ("gleann.index.engines.native", ["NativeAssigner", "NativeEngine"]),
        ("gleann.service.server", ["Server", "serve"]),
        ("gleann.service.config", ["Config", "load_config"]),
        ("gleann.service.cli.main", ["cli", "main"]),
        (
            "gleann.service.values",
            ["CompactionKind", "OptimizerParams", "OptimizerState", "Plan"],
        ),
    ],
)
def test_modules_that_users_import_stay_where_they_are(module, names):
    assert [name for name in names if not hasattr(import_module(module), name)] == []


def test_the_top_package_loads_its_names_on_first_use():
    assert dir(gleann) == gleann.__all__ == sorted(set(gleann.__all__))
    for name in gleann.__all__:
        assert getattr(gleann, name) is not None


@pytest.mark.parametrize("name", ["gleann", "gleann.index", "gleann.selection"])
def test_unknown_names_are_attribute_errors(name):
    with pytest.raises(
        AttributeError, match=f"module '{name}' has no attribute 'nothing'"
    ):
        _ = import_module(name).nothing


def test_import_is_light():
    """The core must come up without grpc, scikit-learn, faiss or pyarrow."""
    code = (
        "import sys, gleann, gleann.index;"
        "print([m for m in ('grpc', 'sklearn', 'faiss', 'pyarrow', 'click')"
        " if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_every_package_is_in_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    assert set(listed) == {*PACKAGES, "gleann", "gleann.v1"}
    assert listed == sorted(listed)


@pytest.mark.parametrize(
    "name",
    [
        "gleann.index.errors.GleannError",
        "gleann.index.engines.native.available",
        "gleann.service.client.Client",
        "gleann.service.config.Config",
        "gleann.service.server.Server",
        "gleann.service.server.serve",
        "gleann.service.cli.main.main",
    ],
)
def test_names_that_users_import_stay(name):
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute).__name__ == attribute


def test_short_forms_of_the_client_are_the_methods_themselves(tmp_path):
    with gleann.Client(tmp_path) as client:
        for short, whole in (
            (client.create_index, client.indexes.create),
            (client.get_index, client.indexes.get),
            (client.list_indexes, client.indexes.list),
            (client.delete_index, client.indexes.delete),
            (client.build, client.indexes.build),
            (client.upsert, client.vectors.upsert),
            (client.get_vectors, client.vectors.get),
            (client.delete_vectors, client.vectors.delete),
            (client.import_vectors, client.vectors.import_file),
            (client.search, client.vectors.search),
            (client.start_active_session, client.active.start),
            (client.start_rounds_session, client.rounds.start),
            (client.score_items, client.active.score_items),
            (client.start_estimate_session, client.estimates.start),
            (client.list_operations, client.operations.list),
        ):
            assert short == whole
