"""That all machines of a cluster run the same gleann, Ray and Python."""

from typing import Any

from gleann.index.errors import EngineUnavailableError
from gleann.service.cluster import engine

SECONDS = 60.0
"""That a machine may take to say what it has, its first import of gleann among them."""


def require_same_versions(ray: Any) -> None:
    """Ask every machine of the cluster, one task each.

    Raises:
        EngineUnavailableError: one has other versions than this process, or no gleann.
        UnavailableError: one does not answer within `SECONDS`.
    """
    pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    here = versions()
    asked = [
        (
            node["NodeManagerHostname"],
            ray.remote(num_cpus=0, max_retries=1)(_asking())
            .options(scheduling_strategy=pinned(node_id=node["NodeID"], soft=False))
            .remote(),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    for host, answer in asked:
        with engine.errors_unwrapped(f"{host} does not say what it has installed"):
            there = ray.get(answer, timeout=SECONDS)
        compare(host, here, there)


def versions() -> dict[str, str]:
    """The versions of this process, by what has them."""
    return _asking()()  # type: ignore[no-any-return]


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

        try:
            import gleann

            version = gleann.__version__
        except ImportError:
            version = "not installed"
        return {
            "gleann": version,
            "Ray": ray.__version__,
            "Python": ".".join(platform.python_version_tuple()[:2]),
        }

    return asking
