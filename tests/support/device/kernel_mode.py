"""Kernels are compiled or interpreted, as an environment variable says at import."""

import os

import pytest

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def interpreted_only() -> None:
    """Skip the test file that calls this, unless kernels are interpreted."""
    _needs_kernels()
    if not INTERPRETED:
        pytest.skip("runs with TRITON_INTERPRET=1 only", allow_module_level=True)


def compiled_only() -> None:
    """Skip the test file that calls this where kernels are interpreted."""
    _needs_kernels()
    if INTERPRETED:
        pytest.skip("runs without TRITON_INTERPRET only", allow_module_level=True)


def _needs_kernels() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("triton", reason="triton is not installed")
