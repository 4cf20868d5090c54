"""The table of contents of the site: titles, and the page that each one has.

Pages are named by their path in the site. What a folder has that is made (tutorials,
the references) is listed by the folder itself.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

Contents: TypeAlias = list[dict[str, "str | Contents"]]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

TUTORIALS = (
    "search",
    "graph",
    "neighbours",
    "rare",
    "estimate",
    "coreset",
    "rounds",
    "duplicates",
    "target",
    "epochs",
    "labels",
    "promises",
    "means",
    "negatives",
    "audit",
    "baselines",
    "shards",
    "report",
)
"""One for each row of the README's table, in its order."""

MIGRATIONS = (
    "from_faiss",
    "from_scann",
    "from_hnswlib",
    "from_small_text",
    "from_modal",
)
"""Not by the names of the modules: a script beside them would import itself."""

ADAPTERS = ("in_langchain", "in_vicinity", "in_scikit_activeml", "in_label_studio")

HOWTOS = (
    "filters",
    "collections",
    "labelling",
    "radius",
    "gpu",
    "cluster",
    "production",
    "other_languages",
)

CONCEPTS = ("soar", "recall", "intervals")

DOCUMENTS = {
    "docs/architecture.md": "project/architecture.md",
    "docs/configuration.md": "reference/configuration.md",
    "docs/metrics.md": "reference/metrics.md",
    "index/storage/FORMAT.md": "reference/format.md",
    "bench/README.md": "benchmarks.md",
    "bench/GPU.md": "benchmarks-gpu.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "index/DECISIONS.md": "project/decisions-index.md",
    "index/engines/device/DECISIONS.md": "project/decisions-device.md",
    "selection/DECISIONS.md": "project/decisions-selection.md",
    "service/DECISIONS.md": "project/decisions-service.md",
    "selection/DEPARTURES.md": "project/departures.md",
}
"""Documents that lie elsewhere in the repository, and their pages."""

ASSETS = ("docs/*.svg", "bench/results/*.svg")


def further_documents() -> dict[str, str]:
    """Pages directly in `docs/` that have no other place: those of the project."""
    known = {*DOCUMENTS, *OWN}
    paths = sorted(path.relative_to(ROOT).as_posix() for path in DOCS.glob("*.md"))
    return {path: f"project/{Path(path).name}" for path in paths if path not in known}


OWN = {
    "docs/index.md": "index.md",
    "docs/first_steps.md": "first_steps.md",
    "docs/comparison.md": "comparison.md",
    "docs/data.md": "howto/data.md",
    "docs/scale.md": "howto/scale.md",
    "docs/packaging.md": "howto/packaging.md",
    "docs/stopwatch.md": "stopwatch.md",
    "docs/this_site.md": "project/this_site.md",
    **{f"docs/howto/{name}.md": f"howto/{name}.md" for name in HOWTOS},
    **{f"docs/concepts/{name}.md": f"concepts/{name}.md" for name in CONCEPTS},
    "docs/tutorials/index.md": "tutorials/index.md",
    "docs/adapters/index.md": "adapters/index.md",
    "docs/migration/index.md": "migration/index.md",
}
"""Pages that are written by hand here, and their places in the site."""


def contents(titles: Mapping[str, str], made: Mapping[str, list[str]]) -> Contents:
    """The table of contents.

    Args:
        titles: of pages, by their paths in the site.
        made: paths of the pages that were made, by their folder, in order.
    """

    def listed(*paths: str) -> Contents:
        return [{titles[path]: path} for path in paths]

    return [
        *listed("index.md", "first_steps.md"),
        {"Tutorials": listed("tutorials/index.md", *made["tutorials"])},
        {"How to": listed(*(f"howto/{name}.md" for name in _howtos()))},
        {"In other libraries": listed("adapters/index.md", *made["adapters"])},
        {"Concepts": listed(*(f"concepts/{name}.md" for name in CONCEPTS))},
        {"Coming from": listed("migration/index.md", *made["migration"])},
        {
            "Compare": listed(
                "comparison.md", "stopwatch.md", "benchmarks.md", "benchmarks-gpu.md"
            )
        },
        {"Reference": _reference(listed, made)},
        {"Project": listed("project/this_site.md", *_project())},
    ]


def _howtos() -> tuple[str, ...]:
    names = list(HOWTOS)
    names.insert(names.index("cluster") + 1, "scale")
    return ("data", *names, "packaging")


def _reference(
    listed: Callable[..., Contents], made: Mapping[str, list[str]]
) -> Contents:
    return [
        {"Python": listed(*made["reference/api"])},
        {"Command line": listed(*made["reference/cli"])},
        {"Protocol": listed(*made["reference/protocol"])},
        *listed(
            "reference/configuration.md", "reference/metrics.md", "reference/format.md"
        ),
    ]


def _project() -> list[str]:
    places = [*DOCUMENTS.values(), *further_documents().values()]
    return [place for place in places if place.startswith("project/")]


def as_toml(value: "str | Contents | dict[str, str | Contents]") -> str:
    """The table of contents as an inline value of TOML."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, dict):
        ((title, inner),) = value.items()
        return f"{{ {as_toml(title)} = {as_toml(inner)} }}"
    return f"[{', '.join(as_toml(item) for item in value)}]"
