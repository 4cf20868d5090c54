"""Pages of the API reference: one line a public name, which mkdocstrings fills in.

Names are read from the source, so that nothing is imported for them.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {
    "index": "gleann.index",
    "selection": "gleann.selection",
    "rounds": "gleann.selection.rounds",
    "promises": "gleann.selection.promises",
    "means": "gleann.selection.estimate.means",
    "duplicates": "gleann.selection.curation.duplicates",
    "leakage": "gleann.selection.curation.leakage",
    "target": "gleann.selection.curation.target",
    "negatives": "gleann.selection.curation.negatives",
    "graph_labels": "gleann.selection.curation.graph_labels",
    "epochs": "gleann.selection.curation.plans",
    "audit": "gleann.selection.curation.audit",
    "data": "gleann.data",
    "sklearn": "gleann.sklearn",
}
"""The packages whose `__all__` is documented, by the name of their page."""

CLIENT = {
    "gleann.service.client.Client": "A server or a data directory; calls block.",
    "gleann.service.client.AsyncClient": "The same, awaited.",
    "gleann.service.client.tls.Tls": "Whom to trust, and who one is.",
    "gleann.service.optimizer_params.OptimizerParams": (
        "When an index is folded by itself."
    ),
}

CALLS = {
    "indexes": "gleann.service.client.index_calls.IndexCalls",
    "vectors": "gleann.service.client.vector_calls.VectorCalls",
    "payload": "gleann.service.client.payload_calls.PayloadCalls",
    "coresets": "gleann.service.client.coreset_calls.CoresetCalls",
    "active": "gleann.service.client.session_calls.active.ActiveCalls",
    "rounds": "gleann.service.client.session_calls.rounds.RoundsCalls",
    "estimates": "gleann.service.client.session_calls.estimates.EstimateCalls",
    "groups": "gleann.service.client.session_calls.groups.GroupCalls",
    "promises": "gleann.service.client.session_calls.promises.PromiseCalls",
    "means": "gleann.service.client.session_calls.means.MeansCalls",
    "sessions": "gleann.service.client.session_calls.sessions.SessionCalls",
    "snapshots": "gleann.service.client.snapshot_calls.SnapshotCalls",
    "operations": "gleann.service.client.operation_calls.OperationCalls",
    "jobs": "gleann.service.client.job_calls.JobCalls",
    "plans": "gleann.service.client.plans.Plans",
}
"""The object of a client for each kind of call, and its class."""

CURATION = (
    "gleann.service.client.curation_calls.duplicates.DuplicateCalls",
    "gleann.service.client.curation_calls.leakage.LeakageCalls",
    "gleann.service.client.curation_calls.training.TrainingCalls",
    "gleann.service.client.curation_calls.graph_labels.GraphLabelCalls",
    "gleann.service.client.curation_calls.audit.AuditCalls",
    "gleann.service.client.curation_calls.stored.StoredCalls",
)
"""The classes whose methods `client.curation` has."""

INDEX_ALSO = (
    "gleann.index.filters.condition.Condition",
    "gleann.index.payload.payload.Payload",
    "gleann.index.payload.schema.Column",
    "gleann.index.payload.schema.Schema",
    "gleann.index.errors",
)
"""Names of `gleann` that `gleann.index` does not export, and the exceptions."""


ADAPTERS = (
    "label_studio.StudioLabels",
    "label_studio.labelling_config",
    "label_studio.labels_of",
    "label_studio.tasks_of",
    "label_studio.write_tasks",
    "langchain.GleannVectorStore",
    "modal.GleannStrategy",
    "skactiveml.GleannStrategy",
    "small_text.GleannStrategy",
    "umap.GleannUMAP",
    "vicinity.GleannBackend",
    "vicinity.load",
)
"""What the modules of `gleann.service.adapters` are for. They are not imported: each
needs the library that it plugs into."""


def public_names(package: str) -> list[str]:
    """`__all__` of a package, from its source.

    Raises:
        ValueError: it has none.
    """
    path = _source_of(package)
    for statement in ast.parse(path.read_text("utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=names):
                return list(ast.literal_eval(names))
    raise ValueError(f"{package} has no __all__")


def _source_of(package: str) -> Path:
    """The file of a package, or of a module of `gleann` itself."""
    home = ROOT.joinpath(".ns", *package.split("."))
    return home / "__init__.py" if home.is_dir() else home.with_suffix(".py")


def package_pages() -> dict[str, str]:
    """The text of each page of the API reference, by its file name."""
    return {
        "overview.md": _overview(),
        "client.md": _client_page(),
        "adapters.md": _adapters_page(),
        **{f"{name}.md": _package_page(package) for name, package in PACKAGES.items()},
    }


def _package_page(package: str) -> str:
    path = _source_of(package)
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    names = [f"{package}.{name}" for name in public_names(package)]
    if package == "gleann.index":
        names += INDEX_ALSO
    return "\n\n".join([f"# {package}", docstring, *map(_entry, names)]) + "\n"


def _client_page() -> str:
    parts = [
        "# The client",
        "The methods of both classes are those of the objects below: `client.search` is"
        " `search` of `client.vectors`, and so on for frequent calls. Those of"
        " `AsyncClient` are awaited.",
    ]
    parts += [_entry(name) for name in CLIENT]
    for name, path in CALLS.items():
        parts += [f"## client.{name}", _entry(path, level=3)]
    parts.append("## client.curation")
    parts += [_entry(path, level=3) for path in CURATION]
    return "\n\n".join(parts) + "\n"


def _adapters_page() -> str:
    parts = [
        "# gleann.service.adapters",
        "gleann in other libraries, one module a library; each imports its library, "
        "which `gleann` does not install.",
        *(_entry(f"gleann.service.adapters.{name}") for name in ADAPTERS),
    ]
    return "\n\n".join(parts) + "\n"


def _entry(path: str, *, level: int = 2) -> str:
    options = f"    options:\n      heading_level: {level}"
    return f"::: {path}\n{options}"


def _overview() -> str:
    rows = [f"| [`{path}`]({name}.md) |" for name, path in PACKAGES.items()]
    lines = [
        "# Python API",
        "",
        "From the docstrings, read without an import. What `gleann` itself exports is"
        " in [`gleann.index`](index.md) and in [the client](client.md).",
        "",
        "| package |",
        "|---|",
        *rows,
        "| [the client](client.md) |",
        "| [adapters](adapters.md) |",
    ]
    return "\n".join(lines) + "\n"
