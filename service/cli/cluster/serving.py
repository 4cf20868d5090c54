"""What `gleann serve --cluster` serves: indexes in shards that a cluster holds."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.index.progress import Progress
from gleann.index.shards.manifest import MANIFEST, read
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.cli.cluster.holding import HoldingOptions
from gleann.service.cli.cluster.joining import joined_by
from gleann.service.state.index_names import NAME
from gleann.service.views.sharded_view import ShardedView

_log = logging.getLogger(__name__)

NAMED = re.compile(rf"({NAME.pattern})=(.+)", re.DOTALL)
"""NAME=PATH, of an index whose folder has another name."""


@contextmanager
def held_shards(
    indexes: Sequence[str], options: HoldingOptions
) -> Iterator[list[ShardedView]]:
    """Have a cluster hold indexes in shards until the end of the block.

    Args:
        indexes: each a path, or name=path.
        options: where they are held, and how they are waited for.

    Raises:
        InvalidParamsError: a folder whose name no index may have.
        MissingFileError, CorruptDataError: as `held`.
        UnavailableError, EngineUnavailableError: as `joined`.
    """
    named = [name_of(text) for text in indexes]
    for _, path in named:
        read(path)  # before a cluster is started for nothing
    from gleann.service.cluster.search.opened import held
    from gleann.service.cluster.search.replicas import Holding

    holding = Holding(replicas=options.replicas)
    with ExitStack() as stack:
        cluster = stack.enter_context(joined_by(options))

        def opened(name: str, path: Path) -> ShardedIndex:
            there = held(
                cluster,
                path,
                holding=holding,
                waiting=options.waiting,
                progress=partial(tell_opened, name),
            )
            return stack.enter_context(there)

        yield [
            ShardedView(
                name=name,
                index=opened(name, path),
                created=(path / MANIFEST).stat().st_mtime,
            )
            for name, path in named
        ]


def tell_opened(name: str, progress: Progress) -> None:
    """Log how many shards are open, at each tenth of them."""
    tenths = [
        10 * done // progress.total for done in (progress.done - 1, progress.done)
    ]
    if progress.done == 0 or tenths[0] < tenths[1]:
        _log.info("%s: %d of %d shards open", name, progress.done, progress.total)


def name_of(text: str) -> tuple[str, Path]:
    """The name of an index and its path: as given, or that of the folder.

    Raises:
        InvalidParamsError: no index may have this name.
    """
    if (given := NAMED.fullmatch(text)) is not None:
        return given[1], Path(given[2])
    name = Path(text).stem
    if not NAME.fullmatch(name):
        raise InvalidParamsError(
            f"cluster is {text!r}, and no index may have the name {name!r} of the"
            f" folder: give it one, as in --cluster pages={text}"
        )
    return name, Path(text)
