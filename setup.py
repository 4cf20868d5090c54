"""Builds the native kernels, as GLEANN_NATIVE says.

GLEANN_NATIVE=auto      builds them where there is a compiler (the default)
GLEANN_NATIVE=required  fails without one, as a wheel for others must
GLEANN_NATIVE=off       builds none: a wheel of Python alone, for every system
"""

import os
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

# Another level for builds that are slow anyway (tests/slow/sanitizers.sh).
OPTIMISE = os.environ.get("GLEANN_OPTIMISE", "-O3")
NATIVE = Path("index/native")
SOURCES = sorted(str(path) for path in NATIVE.glob("*/*.cpp"))


def extensions() -> list[Pybind11Extension]:
    """The native kernels; none where they are switched off."""
    wanted = os.environ.get("GLEANN_NATIVE", "auto")
    if wanted not in ("auto", "required", "off"):
        raise SystemExit(f"GLEANN_NATIVE must be auto, required or off, got {wanted!r}")
    if wanted == "off":
        return []
    return [
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
            optional=wanted == "auto",
        )
    ]


# As many files at once as there are cores; the largest takes some 500 MB.
ParallelCompile("GLEANN_BUILD_JOBS", max=8).install()
setup(ext_modules=extensions())
