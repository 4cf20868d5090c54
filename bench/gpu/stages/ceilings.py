"""Ceilings of the device: `copy`, `product`, and the bus from host memory."""

from collections.abc import Callable

import torch

from bench.gpu.run import Run
from bench.gpu.timing import seconds_of

COPIED = 4 << 30
SIDE = 8192
SENT = 1 << 28
QUICK_BYTES, QUICK_SIDE = 1 << 20, 128


def ceilings(run: Run, _: str) -> None:
    """Measure them; each is a row."""
    run.attempt("copy", lambda: _copy(run))
    for kind in ("bf16", "int8", "fp32"):
        run.attempt(f"product {kind}", lambda kind=kind: _product(run, kind))
    if run.device.type == "cuda":
        run.attempt("send", lambda: _send(run))
    else:
        run.skip("send", "there is no bus to a CPU")


def _copy(run: Run) -> None:
    """Bytes read and bytes written both count."""
    size = QUICK_BYTES if run.quick else COPIED
    source = torch.empty(size, dtype=torch.uint8, device=run.device)
    target = torch.empty_like(source)
    taken = seconds_of(run, lambda: target.copy_(source))
    run.row(what="copy", seconds=taken, gb_a_second=2 * size / taken / 1e9)


def _product(run: Run, kind: str) -> None:
    """Of random numbers: zeros draw less power, and are multiplied faster."""
    side = QUICK_SIDE if run.quick else SIDE
    taken = seconds_of(run, _multiplication(kind, side, run.device))
    run.row(what=f"product {kind}", seconds=taken, tflops=2 * side**3 / taken / 1e12)


def _multiplication(
    kind: str, side: int, device: torch.device
) -> Callable[[], torch.Tensor]:
    if kind == "int8":
        left, right = (
            torch.randint(-127, 128, (side, side), dtype=torch.int8, device=device)
            for _ in range(2)
        )
        # cuBLASLt takes the right side by columns.
        return lambda: torch._int_mm(left, right.T)
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    left, right = (
        torch.randn(side, side, device=device, dtype=dtype) for _ in range(2)
    )
    return lambda: left @ right


def _send(run: Run) -> None:
    host = torch.empty(SENT, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(SENT, dtype=torch.uint8, device=run.device)
    for what, call in (
        ("send", lambda: there.copy_(host, non_blocking=True)),
        ("fetch", lambda: host.copy_(there, non_blocking=True)),
    ):
        taken = seconds_of(run, call)
        run.row(what=what, seconds=taken, gb_a_second=SENT / taken / 1e9)
