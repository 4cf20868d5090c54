"""The contract of names: what `import gleann` offers, and at what price."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import gleann
import gleann.index
import gleann.selection
import gleann.selection.active
import gleann.selection.coreset
import gleann.selection.coreset.methods
import gleann.selection.estimate


@pytest.mark.parametrize(
    "package",
    [
        gleann,
        gleann.index,
        gleann.selection,
        gleann.selection.active,
        gleann.selection.coreset,
        gleann.selection.coreset.methods,
        gleann.selection.estimate,
    ],
    ids=lambda package: package.__name__,
)
def test_all_is_sorted_and_resolves(package):
    assert list(package.__all__) == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gleann.nothing


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
    top = Path(__file__).parents[2]
    settings = tomllib.loads((top / "pyproject.toml").read_text("utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    there = {
        ".".join(("gleann", *path.parent.relative_to(top).parts))
        for room in ("index", "selection", "service")
        for path in (top / room).rglob("__init__.py")
    }
    assert set(listed) == there | {"gleann", "gleann.v1"}
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
            (client.score_items, client.active.score_items),
            (client.start_estimate_session, client.estimates.start),
            (client.list_operations, client.operations.list),
        ):
            assert short == whole
