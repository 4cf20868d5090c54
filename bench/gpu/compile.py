"""Compile kernels for a GPU that is absent, and read the compiler's output.

The compiler, its assembler and its disassembler are part of the triton package: neither
a GPU nor a driver is needed.
"""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

ELEMENT = {"bf16": "bf16", "fp16": "fp16", "fp32": "fp32", "int8": "i8"}
"""Triton's name of each number kind."""

TYPES = {
    "*i64": "slots keys bounds list_nos starts ends out first second candidates",
    "*i32": ("items total rows copy_of probed counts barred found near ranks firsts"),
    "*i1": "doubted",
    "*fp32": ("biases factors ratios scales norms query_scales peaks prepared center"),
    "*fp64": "squares sums",
    "i32": (
        "nprobe spans span_entries longest width words keep nq nlist room count dim n"
        " share rows_width lists_width chosen_width tiles blocks shift shifted pairs"
        " query_tile span exponent parts length low_bits"
    ),
}
"""Arguments of the shipped kernels by their type; the rest are arrays of the kind."""

_TYPE_OF = {name: type_ for type_, names in TYPES.items() for name in names.split()}


def compiled(
    kernel: Any,
    constants: dict[str, Any],
    *,
    kind: str,
    capability: int,
    types: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    """Compile a kernel as a launch would.

    Args:
        kernel: a function under `triton.jit`.
        constants: of its `constexpr` arguments; None for an array that is absent.
        kind: of number, for arrays that `TYPES` does not name.
        capability: of the GPU, such as 90.
        types: by argument, where a kernel differs from `TYPES`.
        options: `num_warps`, `num_stages`, `enable_fp_fusion`.
    """
    known = _TYPE_OF | (types or {})
    signature = {
        name: "constexpr" if name in constants else known.get(name, f"*{ELEMENT[kind]}")
        for name in kernel.arg_names
    }
    source = ASTSource(
        fn=kernel,
        signature=signature,
        constexprs=constants,
        attrs=_alignments(kernel, signature),
    )
    target = GPUTarget("cuda", capability, 32)
    return triton.compile(source, target=target, options=options)


def _alignments(kernel: Any, signature: dict[str, str]) -> dict[Any, Any]:
    """What torch's allocator gives is aligned, and widths are of whole tiles."""
    return {
        (i,): [["tt.divisibility", 16]]
        for i, (parameter, type_) in enumerate(
            zip(kernel.params, signature.values(), strict=True)
        )
        if (type_.startswith("*") or parameter.name.endswith("_width"))
        and not parameter.do_not_specialize_on_alignment
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Resources of a multiprocessor that one program of a kernel takes.

    Attributes:
        registers: a thread.
        stack: bytes a thread, of spilled registers.
        shared: bytes a program.
    """

    registers: int
    stack: int
    shared: int


def usage_of(made: Any) -> Usage:
    """Registers, stack and shared memory of a compiled kernel."""
    said = dumped(made, "-res-usage")
    registers, stack = (
        int(found[1]) for found in re.finditer(r"\b(?:REG|STACK):(\d+)", said)
    )
    return Usage(registers=registers, stack=stack, shared=made.metadata.shared)


def dumped(made: Any, *what: str) -> str:
    """The output of `cuobjdump` for a compiled kernel."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        beside = Path(tool("nvdisasm")).parent
        ran = subprocess.run(
            [tool("cuobjdump"), *what, file.name],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PATH": f"{beside}:/usr/bin:/bin"},
        )
    return ran.stdout


@cache
def tool(name: str) -> str:
    """Path of a tool that triton ships.

    Raises:
        FileNotFoundError: this triton has no such program.
    """
    found = list(Path(triton.__file__).parent.glob(f"backends/nvidia/bin/{name}"))
    if not found:
        raise FileNotFoundError(f"triton {triton.__version__} ships no {name}")
    return str(found[0])
