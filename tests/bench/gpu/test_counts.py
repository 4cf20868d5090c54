"""Counting instructions and launches: on kernels and steps whose counts are known."""

import os

import pytest

triton = pytest.importorskip("triton", reason="triton is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)

import triton.language as tl

from bench.gpu import (
    launches,
)
from bench.gpu.compile import compiled, dumped, tool, usage_of
from bench.gpu.counts import loop_from, table
from bench.gpu.launches import SETTINGS, Launches, launches_of
from bench.gpu.sass import instructions_of, loops_of
from bench.gpu.shipped import shipped

# A loop of three with a branch out of line, in a loop of eight more.
NESTED = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   IADD3 R2, R2, 0x1, RZ ;
        /*0020*/               @P1 BRA 0xb0 ;
        /*0030*/                   SHFL.BFLY PT, R3, R3, 0x1, 0x1f ;
        /*0040*/              @!P0 BRA 0x30 ;
        /*0050*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*0060*/                   HGMMA.64x32x16.F32.BF16 R24, gdesc[UR4], R24 ;
        /*0070*/               @P2 BRA 0x10 ;
        /*0080*/                   STG.E desc[UR4][R4.64], R2 ;
        /*0090*/                   EXIT ;
        /*00a0*/                   NOP;
        /*00b0*/                   FADD R5, R5, R6 ;
        /*00c0*/                   BRA 0x30 ;
        /*00d0*/                   BRA 0xd0;
        /*00e0*/                   NOP;
"""


def test_loops_are_found_where_branches_go_back():
    whole = loops_of(instructions_of(NESTED))
    assert whole.shape == "3 (7 (2))"
    (outer,) = whole.inner
    (inner,) = outer.inner
    assert (outer.barriers, outer.shuffles, outer.products) == (1, 0, 1)
    assert (inner.barriers, inner.shuffles, inner.products) == (0, 1, 0)
    assert whole.total("instructions") == 12


def test_code_after_an_exit_is_in_no_loop():
    code = NESTED.replace("@P2 BRA 0x10", "    EXIT    ")
    assert loops_of(instructions_of(code)).shape == "10 (2)"


@triton.jit
def sums_and_products(vectors, sums, n, dim):
    """A loop in a loop, which neither the compiler nor the assembler can drop."""
    for row in range(n):
        total = tl.zeros((32,), tl.float32)
        for first in range(0, dim, 32):
            total += tl.load(vectors + row * dim + first + tl.arange(0, 32))
        tl.store(sums + row, tl.sum(total, axis=0).to(tl.float64))


def test_a_kernel_with_a_loop_in_a_loop():
    try:
        tool("cuobjdump")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    made = compiled(sums_and_products, {}, kind="fp32", capability=90, num_warps=1)
    usage = usage_of(made)
    assert usage.stack == 0
    assert 8 <= usage.registers <= 64
    whole = loops_of(instructions_of(dumped(made, "-sass")))
    assert whole.total("shuffles") == 5  # 32 lanes are added by halves
    (rows,) = (loop for loop in whole.inner if loop.shuffles)
    assert rows.shuffles == 5
    assert rows.inner
    assert not any(loop.total("shuffles") for loop in rows.inner)
    assert loop_from({"inner": [], **counts(rows)}).instructions == rows.instructions


def counts(loop):
    return {
        what: getattr(loop, what)
        for what in ("instructions", "barriers", "shuffles", "products")
    }


def test_launches_are_of_operations_and_kernels_but_not_of_views():
    x = torch.arange(12.0).view(3, 4)
    counting = Launches()
    with counting.of_triton(), counting:
        y = torch.empty_like(x)
        y.copy_(x.T.reshape(3, 4)[:, :])
        z = (y[1:, None] + 1).clamp(max=3)
        sums_and_products[(2,)](z, z, 1, 4)
        torch.sort(z.expand(2, 1, 4), dim=2)
    # reshape has to copy what is transposed
    counts = {name: of.launches for name, of in counting.operations.items()}
    assert counts == {"clone": 1, "copy_": 1, "add": 1, "clamp": 1, "sort": 1}
    (kernel,) = counting.kernels
    assert (kernel.name, kernel.programs) == ("sums_and_products", 2)
    assert kernel.numbers == {"n": 1, "dim": 4}
    assert counting.total == 6
    # Twelve floats are read and written; of the expanded ones one row is read.
    assert counting.operations["copy_"].bytes == 2 * 12 * 4
    assert counting.operations["sort"].bytes == 2 * 4 * 4 + 2 * 4 * (4 + 8)
    assert counting.operations["sort"].rows == 2


def test_a_recorded_step_is_counted_at_its_true_sizes():
    large, small = SETTINGS[0], SETTINGS[-1]
    assert (large.queries, small.queries) == (10_000, 1)
    many, few = launches_of(large), launches_of(small)
    # Lists are shared in the one and hardly in the other.
    shared = {kernel.name for kernel in many.kernels}
    alone = {kernel.name for kernel in few.kernels}
    assert "scan_lists" in shared
    assert "scan_pairs" in alone
    assert "scan_lists" not in alone
    assert 1 < few.total < many.total
    (scan,) = (kernel for kernel in many.kernels if kernel.name == "scan_lists")
    assert (scan.numbers["D"], scan.numbers["nprobe"]) == (128, 15)


def test_a_search_that_records_nothing_is_an_error(monkeypatch):
    monkeypatch.setattr(launches.DeviceEngine, "search", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="recorded no step"):
        launches_of(SETTINGS[-1])


def test_names_of_cases_are_distinct():
    names = [case.name for case in shipped()]
    assert len(set(names)) == len(names)


def test_table_has_a_row_for_each_label_of_a_kernel():
    kernel = {
        "warps": 4,
        "registers": 255,
        "stack": 0,
        "shared": 107008,
        "instructions": 5654,
        "barriers": 20,
        "shuffles": 366,
        "products": 16,
        "loops": {"inner": [], **dict.fromkeys(counts_names(), 7)},
    }
    launches = {"batch 1": {"total": 3, "kernels": [{"name": "scan_pairs"}] * 2}}
    results = {
        label: {"kernels": {"scan": kernel}, "launches": launches}
        for label in ("before", "after")
    }
    said = table(results)
    assert "| scan | before | 4 | 255 | 0 | 107,008 | 20 | 366 | 16 | 7 |" in said
    assert "| scan | after |" in said
    assert "| batch 1 | after | 3 | 2 |" in said


def counts_names():
    return ("instructions", "barriers", "shuffles", "products")
