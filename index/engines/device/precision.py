"""Float32 matrix products without TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Take float32 products without TF32, whatever the process is set to.

    Bounds on the rounding of a product hold only then. The setting is the process's: it
    is put back at the end.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
