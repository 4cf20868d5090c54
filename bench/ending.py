"""How a command of `bench` ends."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from bench.datasets import DatasetError

P = ParamSpec("P")


def refusing_data(command: Callable[P, int]) -> Callable[P, int]:
    """The exit status is 2 where a data set cannot be measured; stderr says why."""

    @wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> int:
        try:
            return command(*args, **options)
        except DatasetError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2

    return run
