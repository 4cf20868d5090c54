"""That all machines of a cluster run the same gleann, Ray and Python.

Whether they have the C++ kernels is compared, too: blocks of a build end elsewhere
without them.
"""

from typing import Any

from gleann.index.errors import EngineUnavailableError
from gleann.service.cluster.nodes import on_each_machine


def require_same_versions(ray: Any) -> None:
    """Ask every machine of the cluster, one task each.

    Raises:
        EngineUnavailableError: one has other versions than this process, or no gleann.
        UnavailableError: one does not answer.
    """
    here = versions()
    answers = on_each_machine(ray, _asking(), doing="say what it has installed")
    for host, there in answers:
        compare(host, here, there)


def versions() -> dict[str, str]:
    """The versions of this process, by what has them."""
    return _asking()()


def compare(host: str, here: dict[str, str], there: dict[str, str]) -> None:
    """Refuse a machine with other versions; the message says both.

    Raises:
        EngineUnavailableError: it has.
    """
    other = [
        f"{name} {there.get(name, 'not known')} where this process has {version}"
        for name, version in here.items()
        if there.get(name) != version
    ]
    if other:
        raise EngineUnavailableError(f"the machine {host} has {' and '.join(other)}")


def _asking() -> Any:
    """A function that travels whole: a machine without gleann can answer, too."""

    def asking() -> dict[str, str]:
        import platform

        import ray

        version, kernels = "not installed", "not known"
        try:
            import gleann

            version = gleann.__version__
            from gleann.index.extension import available

            kernels = "compiled" if available() else "not compiled"
        except ImportError:
            pass
        return {
            "gleann": version,
            "kernels": kernels,
            "Ray": ray.__version__,
            "Python": ".".join(platform.python_version_tuple()[:2]),
        }

    return asking
