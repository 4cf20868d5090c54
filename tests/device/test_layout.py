"""The lists on a device, against the same arrays gathered row by row on the host."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.codes import Encoding

torch = pytest.importorskip("torch", reason="torch is not installed")
import device_world as world

from gleann.index.engines.device.layout import layout
from gleann.index.engines.device.layout.layout import (
    DTYPES,
    EMPTY_BIAS,
    lay_out,
    shuffled,
)
from gleann.index.engines.device.plan import memory
from gleann.index.engines.device.plan.kinds import TILE
from gleann.index.engines.device.steps.rerank import DeviceRows

CPU = torch.device("cpu")
KINDS = ["bf16", "fp16", "fp32", "int8"]


def recoded(data, *, kind="int8", center=0.0):
    middle = np.full(data.vectors.shape[1], center, np.float32)
    encoding = Encoding(metric=data.metric, kind=kind, center=middle)
    return replace(data, encoding=encoding, codes=encoding.encode(data.vectors))


def gathered(data, *, kind, exponent):
    """Vectors, factors and biases of all entries, by one gather in host memory."""
    rows = data.lists.rows[shuffled(data)]
    unit = 2.0**exponent
    factors = np.ones(len(rows), np.float32)
    if kind == "int8":
        stored = torch.from_numpy(data.codes.values[rows])
        wide = data.codes.scales[rows].astype(np.float64)
        factors = (wide / unit).astype(np.float32)
    else:
        centred = data.encoding.centred(data.vectors[rows]).astype(np.float64)
        scaled = torch.from_numpy((centred / unit).astype(np.float32))
        stored = scaled.to(DTYPES[kind])
    biases = np.zeros(len(rows), np.float32)
    if data.metric == "ip":
        dots = np.zeros(len(rows))
        if data.codes.biases is not None:
            dots = data.codes.biases[rows].astype(np.float64)
            dots = dots / 2 if data.encoding.kind == "int8" else dots
        biases = (dots / unit**2).astype(np.float32)
    elif data.encoding.kind == "int8" and data.encoding.has_biases:
        squares = stored.double().square().sum(dim=1).numpy()
        biases = (squares * factors.astype(np.float64) ** 2 / 2).astype(np.float32)
    return stored, factors, biases


def assert_laid_out(data, kind, resident):
    out = lay_out(data, kind=kind, device=CPU, resident=resident)
    stored, factors, biases = gathered(data, kind=kind, exponent=out.exponent)
    count = data.lists.entries
    assert torch.equal(out.vectors[:count, : out.dim], stored)
    assert not out.vectors[:, out.dim :].any()
    np.testing.assert_array_equal(out.factors[:count].numpy(), factors)
    np.testing.assert_array_equal(out.biases[:count].numpy(), biases)
    assert out.vectors[count:].float().abs().sum() == 0
    assert out.biases[count:].tolist() == [EMPTY_BIAS] * TILE


@pytest.mark.parametrize("there", [True, False], ids=["resident", "sent"])
@pytest.mark.parametrize("center", [0.0, 0.37])
@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_bit_for_bit_as_gathered_on_the_host(monkeypatch, kind, metric, center, there):
    data = recoded(world.random_index(d=20, metric=metric, seed=3), center=center)
    monkeypatch.setattr(layout, "BLOCK_BYTES", 4 * 20 * 100)  # several blocks
    monkeypatch.setattr(layout, "ENTRY_BLOCK", 101)
    resident = DeviceRows(data.vectors, CPU).vectors if there else None
    assert_laid_out(data, kind, resident)


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_rows_in_float32(metric):
    data = recoded(world.random_index(d=7, metric=metric), kind="float32", center=1.5)
    assert_laid_out(data, "fp32", DeviceRows(data.vectors, CPU).vectors)


def test_the_exponent_is_the_same_where_rows_are_resident():
    for scale in (1e-30, 1.0, 1e15):
        data = world.random_index(n=200)
        rows = (data.vectors * np.float32(scale)).astype(np.float32)
        data = recoded(replace(data, vectors=rows), center=scale / 3)
        resident = DeviceRows(rows, CPU).vectors
        ours = lay_out(data, kind="fp32", device=CPU, resident=resident).exponent
        assert ours == lay_out(data, kind="fp32", device=CPU).exponent


def test_rows_and_codes_are_read_in_their_own_order():
    """A row that is fetched by number, out of a mapped file, would be a seek each."""

    class Sequential(np.ndarray):
        def __getitem__(self, asked):
            assert not isinstance(asked, np.ndarray), "gathered on the host"
            return super().__getitem__(asked)

    data = world.random_index(n=300)
    codes = replace(data.codes, values=data.codes.values.view(Sequential))
    data = replace(data, vectors=data.vectors.view(Sequential), codes=codes)
    for kind in KINDS:
        lay_out(data, kind=kind, device=CPU)
        lay_out(
            data, kind=kind, device=CPU, resident=DeviceRows(data.vectors, CPU).vectors
        )


def test_what_loading_takes_beside_the_index_is_counted(monkeypatch):
    data = world.random_index()
    taken = memory.footprint(data, kind="int8", rows_on_device=True)
    assert taken.loading == 2 * 4 * 1500  # int32, two entries a row
    assert taken.total == taken.lists + taken.coarse + taken.rows + taken.loading
    short = memory.RESERVE + taken.total - 1
    monkeypatch.setattr(memory, "free_bytes", lambda _: short)
    _, admitted = memory.admit(data, kinds=("int8",), device=CPU)
    assert admitted.rows == 0  # one byte less than rows and loading take
