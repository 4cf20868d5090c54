"""Compiled kernels are read with tools that come with triton."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def tools():
    from bench.gpu.compile import tool  # needs triton, as do the tests

    try:
        tool("cuobjdump")
        tool("nvdisasm")
    except FileNotFoundError as error:
        pytest.skip(str(error))
