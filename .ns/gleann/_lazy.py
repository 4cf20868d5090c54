"""Names of a package that load on first use.

Every package may use it: it imports nothing of gleann before a name is asked for.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    module: dict[str, Any], homes: Mapping[str, str]
) -> Callable[[str], Any]:
    """The `__getattr__` of a package, which keeps each name that it has loaded.

    A package that a name needs and that is not installed is a `MissingPackageError`.

    Args:
        module: the globals of the package.
        homes: the module of each name.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(
                f"module {module['__name__']!r} has no attribute {name!r}"
            )
        from gleann._needed import needing

        with needing(f"{module['__name__']}.{name}"):
            found = module[name] = getattr(import_module(homes[name]), name)
        return found

    return load
