"""Long work of an application whose directory is opened again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from gleann.service.application import Application
from gleann.service.config import Config
from gleann.v1 import index_pb2

ROWS = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def asked(name: str, *, seed: int = 0) -> index_pb2.BuildIndexRequest:
    params = index_pb2.BuildParams(nlist=4, tune_queries=0, seed=seed)
    return index_pb2.BuildIndexRequest(name=name, params=params)


def filled(application: Application, name: str, rows: int) -> None:
    application.create_index(name, dim=8, metric="l2")
    application.upsert(name, np.arange(rows), ROWS[:rows])


def done_within(application: Application, names: list[str], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not all(application.jobs.get(name).done for name in names):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def reopened(config: Config) -> Iterator[Callable[[], Application]]:
    """Open one data directory, again and again; each opening closes the one before."""
    opened: list[Application] = []

    def again() -> Application:
        while opened:
            opened.pop().close()
        opened.append(Application(config))
        return opened[0]

    yield again
    for application in opened:
        application.close()
