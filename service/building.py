"""Work of a build: everything acknowledged, sealed into a new version."""

from gleann.index import SoarIndex
from gleann.service import convert
from gleann.service.jobs import Task
from gleann.service.registry import Registry, require_vectors
from gleann.v1 import index_pb2


class Building:
    """Carries out builds."""

    def __init__(self, registry: Registry, *, engine: str, threads: int) -> None:
        self._registry = registry
        self._engine = engine
        self._threads = threads

    def __call__(self, task: Task) -> index_pb2.Index:
        """Build one index from what it holds now, and serve it."""
        request = index_pb2.BuildIndexRequest.FromString(task.request)
        view = self._registry.view(request.name)
        require_vectors(view)
        rows = view.live_rows()
        index = SoarIndex.build(
            view.vectors_at(rows),
            convert.build_params_of(request.params, metric=view.metric),
            ids=view.ids_at(rows),
            progress=task.progress,
            engine=self._engine,
            threads=self._threads,
        )
        self._registry.publish_version(view, index)
        info = self._registry.info(self._registry.view(request.name))
        return convert.index_info_to_wire(info)
