"""The index of a source: its own, or one that is built of its vectors."""

from gleann.index import BuildParams, SoarIndex
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.files.sources import Source
from gleann.service.cli.progress import Report


def index_of(source: Source, record: JobRecord, report: Report) -> SoarIndex:
    """The index of a folder; of a file, one in memory with default parameters.

    Args:
        source: of the command.
        record: has the seconds of a build as the phase "build".
        report: called with the progress of a build.
    """
    if source.index is not None:
        return source.index
    with record.timed("build"):
        return SoarIndex.build(
            source.vectors,
            BuildParams(metric=source.metric),
            ids=source.ids,
            progress=report,
        )
