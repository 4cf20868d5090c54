"""Builds the native kernels when there is a compiler; succeeds without one."""

import os
from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

# Another level for builds that are slow anyway (tests/slow/sanitizers.sh).
OPTIMISE = os.environ.get("GLEANN_OPTIMISE", "-O3")
NATIVE = Path("index/native")
SOURCES = sorted(str(path) for path in NATIVE.glob("*/*.cpp"))

setup(
    ext_modules=[
        Pybind11Extension(
            "gleann.index._native",
            SOURCES,
            depends=sorted(str(path) for path in NATIVE.glob("*/*.hpp")),
            include_dirs=[str(NATIVE)],
            cxx_std=17,
            # No -march: each kernel file states its own target and the best one
            # this CPU has is chosen at run time.
            extra_compile_args=[OPTIMISE, "-fno-math-errno", "-pthread"],
            extra_link_args=["-pthread"],
            optional=True,
        )
    ]
)
