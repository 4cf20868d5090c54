"""Coding queries, interpreted: codes and scales to the last bit."""

from kernel_mode import interpreted_only

interpreted_only()
from dataclasses import replace

import device_world as world
import numpy as np
import pytest
import torch
from interpreted_world import KINDS, SIZES

from gleann.index.codes import Encoding
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.steps.coarse import DeviceRanking
from gleann.index.engines.device.steps.queries import code_queries
from gleann.index.engines.triton_kernels.coarse import launch_quantise
from gleann.index.engines.triton_kernels.scanner import TritonScanner


def queries_of_all_sizes(d):
    """A zero query, single values, halves between codes, and any magnitude."""
    rng = np.random.default_rng(d)
    asked = rng.normal(size=(40, d)).astype(np.float32)
    asked[0] = 0
    asked[1] = -0.0
    asked[2, 1:] = 0
    asked[3] = np.clip(np.arange(d) - d // 2 + 0.5, -127, 127)
    asked[3, 0] = 127
    for row, power in enumerate(range(-45, 37, 3), start=4):
        asked[row] *= np.float32(10.0**power)
    asked[35] = rng.integers(-190, 191, d) * np.float32(1e-45)
    return torch.from_numpy(asked)


@pytest.mark.parametrize("d", [1, 17, 40, 130])
@pytest.mark.parametrize("kind", ["bf16", *KINDS])
@pytest.mark.parametrize("exponent", [-70, 3])
def test_queries_are_coded_as_by_torch(exponent, kind, d):
    lists = lay_out(
        world.sized_index([2, 3], d=d), kind=kind, device=torch.device("cpu")
    )
    asked = queries_of_all_sizes(d)
    center = torch.from_numpy(np.random.default_rng(1).normal(size=d).astype("f4"))
    if kind == "bf16":  # which the interpreter cuts off instead of rounding
        asked, center = asked.bfloat16().float(), torch.zeros(d)
    for differences in (False, True) if kind == "fp32" else (False,):
        changed = {"exponent": exponent, "differences": differences}
        for moved in (torch.zeros(d), center):
            there = replace(lists, center=moved, **changed)
            got = launch_quantise.launch_code_queries(asked, there)
            want = code_queries(asked, there)
            assert torch.equal(got.values, want.values)
            assert torch.equal(got.ratios, want.ratios)


@pytest.mark.parametrize("d", [1, 17, 130])
@pytest.mark.parametrize("center", [0.0, 0.3])
def test_codes_of_queries_are_those_of_torch(center, d):
    centroids = np.random.default_rng(2).normal(size=(4, d)).astype("f4")
    encoding = Encoding(metric="l2", kind="int8", center=np.full(d, center, np.float32))
    ranking = DeviceRanking(centroids, encoding, torch.device("cpu"))
    asked = queries_of_all_sizes(d)
    codes, scales = launch_quantise.launch_quantise(asked, ranking)
    want, want_scales = ranking.coded(asked)
    assert torch.equal(codes[:, :d], want)
    assert not codes[:, d:].any()
    assert torch.equal(scales, want_scales)


def test_the_default_dtype_of_the_process_is_none_of_ours():
    data = world.sized_index(SIZES, d=16)
    asked = torch.from_numpy(world.integer_queries(3, 16)) / 3
    lists = lay_out(data, kind="int8", device=torch.device("cpu"))
    ranking = DeviceRanking(data.centroids, data.encoding, torch.device("cpu"))
    want = code_queries(asked, lists)
    torch.set_default_dtype(torch.bfloat16)
    try:
        got = TritonScanner().coded(asked, lists)
        _, scales = launch_quantise.launch_quantise(asked, ranking)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(got.ratios, want.ratios)
    assert torch.equal(scales, ranking.coded(asked)[1])
