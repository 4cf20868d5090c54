"""`gleann doctor`: installed parts, the engine in use, remedies for problems."""

import platform
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import click
import numpy as np

import gleann
from gleann.index.errors import GleannError
from gleann.index.remedies import DEVICE, FAISS
from gleann.service.cli import options
from gleann.service.cli.doctor.doctor_data import DataJob, look_at_data
from gleann.service.cli.doctor.findings import Finding, echo_findings
from gleann.service.report.machine import cpu_flags, machine, versions

TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "amx_int8")
TRIAL_ROWS, TRIAL_DIM, TRIAL_QUERIES = 2_000, 16, 20
COMPILER_REMEDY = (
    "install a C++ compiler and the Python headers (Debian: apt-get install g++"
    " python3-dev), then, in the checkout: pip install --force-reinstall --no-deps ."
)
LINUX_REMEDY = (
    "the native engine is for Linux alone; from here, connect a client to a server that"
    ' runs there: gleann.Client("grpc://host:50051")'
)


@click.command(
    "doctor",
    short_help="Report the engine in use, why, and what can be fixed.",
    epilog=options.examples(
        "gleann doctor",
        "gleann doctor --data library",
        "gleann doctor --data library --export rescued",
        "gleann doctor --data library --repair",
    ),
)
@click.option(
    "--data",
    type=options.PATH,
    help="Check this data directory instead: every page, row and file is read.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Rebuild the database of --data from its undamaged parts if it is damaged;"
    " the old one is kept under lost/.",
)
@click.option(
    "--export",
    type=options.PATH,
    help="Directory for the rows of each index of --data, as parquet files;"
    " created if missing; written before a repair.",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="INDEX",
    help="With --repair: leave this index out; may be repeated.",
)
@click.option(
    "--skip-damaged",
    is_flag=True,
    help="With --repair: drop damaged or lost changes and serve the rest.",
)
@options.takes(DataJob)
def command(job: DataJob) -> None:
    """Check this machine and this installation; exits with 0 if search works.

    With --data, check a data directory that no process has open; exits with 0 if a
    server would serve all of it.
    """
    if job.data is not None:
        works = look_at_data(job.data, job)
    else:
        works = _look_at_installation()
    if not works:
        raise click.exceptions.Exit(1)


def _look_at_installation() -> bool:
    search, works = _search()
    echo_findings(
        [
            Finding(name="gleann", says=_gleann()),
            Finding(name="python", says=_python()),
            Finding(name="cpu", says=_cpu()),
            _engine(),
            _faiss(),
            Finding(name="blas", says=_blas()),
            Finding(name="gpu", says=_gpu()),
            Finding(name="torch", says=_torch()),
            _demo(),
            search,
        ]
    )
    return works


def _gleann() -> str:
    return f"{gleann.__version__} in {Path(gleann.__file__).parent}"


def _python() -> str:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{platform.python_version()} on {system}"


def _cpu() -> str:
    facts, flags = machine(), cpu_flags()
    memory = f", {facts['memory_gib']} GiB" if facts["memory_gib"] else ""
    there = [flag for flag in TELLING_FLAGS if flag in flags]
    absent = [flag for flag in TELLING_FLAGS if flag not in flags]
    return (
        f"{facts['cpu']}, {facts['cores']} cores{memory};"
        f" has {' '.join(there) or 'none of ' + ' '.join(TELLING_FLAGS)}"
        + (f", lacks {' '.join(absent)}" if there and absent else "")
    )


def _engine() -> Finding:
    from gleann.index.engines import native
    from gleann.index.engines.choose import best_engine

    name, reason = best_engine()
    if name == "native":
        tiers = ", ".join(native.tiers())
        return Finding(name="engine", says=f"native serves: {reason} (tiers: {tiers})")
    remedy = COMPILER_REMEDY if platform.system() == "Linux" else LINUX_REMEDY
    return Finding(name="engine", says=f"{name} serves: {reason}", remedy=remedy)


def _faiss() -> Finding:
    if not find_spec("faiss"):
        return Finding(
            name="faiss",
            says=f"not installed; only the engine faiss needs it: {FAISS}",
        )
    import faiss

    there = versions()
    flavour = "faiss-gpu" if "faiss-gpu" in there else "faiss-cpu"
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return Finding(
        name="faiss", says=f"{faiss.__version__} ({flavour}), sees {gpus} GPUs"
    )


def _blas() -> str:
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    described = {
        f"{pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
        for pool in pools
    }
    return "; ".join(sorted(described)) or "none found"


def _gpu() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "none seen (no nvidia-smi); search runs on the CPU"
    listed = subprocess.run(
        [program, "-L"], capture_output=True, text=True, timeout=20, check=False
    )
    return "; ".join(listed.stdout.splitlines()) or f"none: {listed.stderr.strip()}"


def _torch() -> str:
    if not find_spec("torch"):
        return f"not installed; only the engines torch and triton need it: {DEVICE}"
    import torch

    from gleann.index.engines.triton import device_reason

    there = versions()
    triton = f"triton {there['triton']}" if "triton" in there else "no triton"
    usable = device_reason() or "gleann serve --device auto would use the GPU"
    return f"{torch.__version__}; {triton}; {usable}"


def _demo() -> Finding:
    from gleann.service.demo.words import PACKAGES, install_command

    absent = [name for name in PACKAGES if not find_spec(name)]
    if absent:
        return Finding(
            name="demo",
            says=f"lacks {', '.join(absent)}",
            remedy=install_command(absent),
        )
    return Finding(name="demo", says="its data is installed; run: gleann demo")


def _search() -> tuple[Finding, bool]:
    """Build and search a small index; compare with exhaustive search."""
    try:
        recall, engine = trial()
    except GleannError as error:
        return Finding(name="search", says=f"does not work: {error}"), False
    says = f"recall@10 {recall:.3f} on {TRIAL_ROWS:,} rows, all lists, by {engine}"
    if recall < 0.99:
        return Finding(name="search", says=f"is wrong: {says}"), False
    return Finding(name="search", says=f"works: {says}"), True


def trial() -> tuple[float, str]:
    """Recall@k of a small index that is built and searched here, and its engine."""
    from gleann.index import BuildParams, SearchParams, SoarIndex, recall_at_k

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((TRIAL_ROWS, TRIAL_DIM), np.float32)
    index = SoarIndex.build(vectors, BuildParams(nlist=32, tune_queries=0))
    queries = vectors[:TRIAL_QUERIES]
    found = index.search(queries, SearchParams(k=10, nprobe=32))
    exact = index.search(queries, SearchParams(k=10, exact=True))
    return recall_at_k(found.distances, exact.distances), index.engine_name
