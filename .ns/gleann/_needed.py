"""Packages that are missing or too old: an error that says what installs them.

A client of a server is installed without most of them (docs/packaging.md).
"""

import re
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
_EXTRAS = {"ray": "ray[data]"}
"""Those of extras that an import alone tells: they are not among all dependencies."""
_ALSO = {"google.longrunning": "googleapis-common-protos", "google": "protobuf"}
"""Other modules of these packages."""


_LEAST = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*>=\s*([0-9][0-9.]*)")
"""The name and the lower bound of a requirement."""


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Say which package is missing or too old, and what installs it.

    Args:
        what: needs the package, in words of the caller.

    Raises:
        MissingPackageError: an import failed, as a dependency of gleann, or of one of
            its extras, is not installed, or is older than gleann needs it. What fails
            for another reason, or lacks another module, fails as it did.
    """
    try:
        yield
    except MissingPackageError:
        raise
    except ImportError as error:
        package = package_of(error.name or "")
        said = None if package is None else _why(what, package)
        if said is None:
            raise
        raise MissingPackageError(said, name=error.name) from error


def package_of(module: str) -> str | None:
    """The dependency that has a module, as it is installed; None where none has it."""
    known = PACKAGES | _ALSO | _EXTRAS
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if found := known.get(name):
            return found
    return None


def missing_packages() -> list[str]:
    """All dependencies that are not installed."""
    return [package for module, package in PACKAGES.items() if not _is_there(module)]


def _why(what: str, package: str) -> str | None:
    """Why an import from a package failed; None where it is there, and new enough."""
    modules = [one for one, other in (PACKAGES | _EXTRAS).items() if other == package]
    if not all(map(_is_there, modules)):
        return _said(what, package)
    found, least = _versions(_name_of(package))
    if found is None or least is None or _numbers(found) >= _numbers(least):
        return None
    return (
        f"{what} needs the package {_name_of(package)} {least} or newer, but {found} is"
        f" installed: pip install '{package}>={least}'"
    )


def _versions(package: str) -> tuple[str | None, str | None]:
    """The version that is installed, and the least that gleann needs."""
    # What imports well does not need it.
    from importlib import metadata

    try:
        found = metadata.version(package)
        needed = metadata.requires("gleann") or []
    except metadata.PackageNotFoundError:  # of a checkout, gleann itself may be
        return None, None
    bounds = dict(match.groups() for one in needed if (match := _LEAST.match(one)))
    return found, bounds.get(package)


def _numbers(version: str) -> list[int]:
    """The numbers of a release, without zeros at its end."""
    release = re.match(r"[0-9]+(\.[0-9]+)*", version)
    numbers = [int(one) for one in (release[0] if release else "0").split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _name_of(package: str) -> str:
    """The name of a package without its extras."""
    return package.partition("[")[0]


def _said(what: str, package: str) -> str:
    others = [one for one in missing_packages() if one != package]
    name = _name_of(package)
    # Shells take a bracket for a pattern.
    quoted = package if name == package else f"'{package}'"
    more = ""
    if others:
        names = " ".join([quoted, *others])
        more = f" (all that is missing here of what gleann uses: pip install {names})"
    return (
        f"{what} needs the package {name}, which is not installed: pip install"
        f" {quoted}{more}"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # no parent of it; a module without a spec
        return False
