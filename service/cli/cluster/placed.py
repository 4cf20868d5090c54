"""What the commands share that work on the shards of an index where they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import click
import numpy as np

from gleann.index.arrays import Rows
from gleann.index.ids.checks import hold_id_array
from gleann.index.shards.manifest import read
from gleann.index.shards.places import ShardPlaces
from gleann.service.cli import options
from gleann.service.cli.cluster.joining import (
    ClusterOptions,
    cluster_options,
    joined_by,
)
from gleann.service.cli.files import columns, inputs

Callback = TypeVar("Callback", bound=Callable[..., None])


class PlacedOptions(ClusterOptions, Protocol):
    """Parameters of such a command."""

    @property
    def shards(self) -> Path:
        """The index in shards."""


def placed_options(example: str) -> Callable[[Callback], Callback]:
    """The argument INDEX and the options that every command has.

    Args:
        example: a file to write.
    """

    def decorate(function: Callback) -> Callback:
        for decorator in (
            options.progress_option,
            options.overwrite_option,
            cluster_options,
            options.out_option(example),
            click.argument("shards", metavar="INDEX", type=options.PATH),
        ):
            function = decorator(function)
        return function

    return decorate


@contextmanager
def placed(job: PlacedOptions) -> Iterator[ShardPlaces]:
    """The shards of the index of a command, each with a worker of the cluster.

    Raises:
        MissingFileError, CorruptDataError: no index in shards; before Ray is started.
        EngineUnavailableError, UnavailableError: no Ray.
    """
    read(job.shards)
    from gleann.service.cluster.pinned import pinned

    with joined_by(job) as cluster, pinned(cluster) as runner:
        yield ShardPlaces(job.shards, runner=runner)


def rows_in_file(path: Path, places: ShardPlaces) -> Rows:
    """Rows of the ids that a file names: a `.npy` array, or the column id of a table.

    Raises:
        UnknownIdError: an id that no row has.
        DuplicateIdError: one twice.
    """
    example = hold_id_array(places.ids_at(np.zeros(1, np.int64)))
    table = inputs.read_column(path, inputs.ID_COLUMN)
    ids = columns.ids_like(table, inputs.ID_COLUMN, example)
    return places.rows_of(ids, name=f"{path}: {inputs.ID_COLUMN}")
