"""The contract of names: what `import gleann` offers, and at what price."""

import subprocess
import sys

import pytest

import gleann
import gleann.index


@pytest.mark.parametrize("package", [gleann, gleann.index])
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
