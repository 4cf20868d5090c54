"""One line where a package is missing that commands need."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gleann._needed import needing
from gleann.index.errors import MissingPackageError
from gleann.service.cli.exit_codes import FAILED


@contextmanager
def leaving_without_packages() -> Iterator[None]:
    """End the process with the reason, while the modules of all commands load."""
    try:
        with needing("the command line"):
            yield
    except MissingPackageError as error:
        sys.stderr.write(f"gleann: error: {error}\n")
        sys.exit(FAILED)
