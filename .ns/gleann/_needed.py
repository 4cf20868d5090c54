"""Packages that are needed and not installed: an error that says what installs them.

A client of a server is installed without most of them (docs/packaging.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from gleann.index.errors import MissingPackageError

PACKAGES = {
    "numpy": "numpy",
    "grpc": "grpcio",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "grpc_status": "grpcio-status",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "joblib": "joblib",
    "threadpoolctl": "threadpoolctl",
    "pyarrow": "pyarrow",
    "narwhals": "narwhals",
    "click": "click",
    "sqlglot": "sqlglot",
    "prometheus_client": "prometheus-client",
    "tqdm": "tqdm",
}
"""The modules of all dependencies, and the packages that have them."""
_ALSO = {"google.longrunning": "googleapis-common-protos", "google": "protobuf"}
"""Other modules of these packages."""


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Say which package is missing, and what installs it, where an import fails.

    Args:
        what: needs the package, in words of the caller.

    Raises:
        MissingPackageError: a dependency of gleann is not installed. What fails for
            another reason, or lacks another module, fails as it did.
    """
    try:
        yield
    except MissingPackageError:
        raise
    except ModuleNotFoundError as error:
        package = package_of(error.name or "")
        if package is None:
            raise
        raise MissingPackageError(_said(what, package), name=error.name) from error


def package_of(module: str) -> str | None:
    """The dependency that has a module; None where none has it."""
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if found := PACKAGES.get(name) or _ALSO.get(name):
            return found
    return None


def missing_packages() -> list[str]:
    """All dependencies that are not installed."""
    return [package for module, package in PACKAGES.items() if not _is_there(module)]


def _said(what: str, package: str) -> str:
    others = [one for one in missing_packages() if one != package]
    more = ""
    if others:
        names = " ".join([package, *others])
        more = f" (all that is missing here of what gleann uses: pip install {names})"
    return (
        f"{what} needs the package {package}, which is not installed: pip install"
        f" {package}{more}"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # no parent of it; a module without a spec
        return False
