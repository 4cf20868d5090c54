"""Instruction counts of each compiled shipped kernel, without a GPU.

    python -m bench.gpu.counts --label before --out bench/results/gpu-counts.json

compiles every case of `bench.gpu.shipped` for one GPU, counts, and writes the counts
into the file under a label, beside those of other labels: commits can be compared. It
prints a Markdown table of all labels. `--only scan_lists` counts a part again,
`--table` only prints.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import triton

from bench.gpu.compile import compiled, dumped, usage_of
from bench.gpu.launches import recorded_steps
from bench.gpu.sass import Loop, instructions_of, loops_of
from bench.gpu.shipped import Case, shipped
from bench.provenance import ROOT, provenance
from bench.say import say

CAPABILITY = 90

COLUMNS = ("registers", "stack", "shared", "barriers", "shuffles", "products")


def counted(case: Case) -> dict[str, Any]:
    """Compile a case and count: `Usage`, totals, and `Loop` as nested entries."""
    made = compiled(
        case.kernel,
        case.constants,
        kind=case.kind,
        capability=CAPABILITY,
        types=case.types,
        **case.options,
    )
    whole = loops_of(instructions_of(dumped(made, "-sass")))
    return {
        "warps": case.options["num_warps"],
        **asdict(usage_of(made)),
        **{
            what: whole.total(what)
            for what in ("instructions", "barriers", "shuffles", "products")
        },
        "loops": asdict(whole),
    }


def loop_from(entry: dict[str, Any]) -> Loop:
    """A `Loop` from its entry in a file."""
    inner = tuple(loop_from(inside) for inside in entry["inner"])
    return Loop(**{**entry, "inner": inner})


def table(results: dict[str, Any]) -> str:
    """All labels as Markdown: one row per kernel and label, then the launches."""
    lines = [
        "Instructions a warp as `outside (in a loop (in a loop inside it))`: of"
        " `scan_lists` that is a program, an item, a tile of rows, and for long d a"
        " step along it.",
        "",
        "| kernel | of | warps | registers | stack | shared | BAR | SHFL | matrix |"
        " instructions |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    names = dict.fromkeys(
        name for entry in results.values() for name in entry["kernels"]
    )
    for name in names:
        for label, entry in results.items():
            if name in entry["kernels"]:
                lines.append(_row(name, label, entry["kernels"][name]))
    lines += ["", "| recorded step | of | launches | of these by Triton |"]
    lines += ["|---|---|---|---|"]
    for label, entry in results.items():
        for step, launches in entry["launches"].items():
            ours = len(launches["kernels"])
            lines.append(f"| {step} | {label} | {launches['total']} | {ours} |")
    return "\n".join(lines) + "\n"


def _row(name: str, label: str, kernel: dict[str, Any]) -> str:
    cells = [name, label, kernel["warps"], *(f"{kernel[what]:,}" for what in COLUMNS)]
    shape = loop_from(kernel["loops"]).shape
    return "| " + " | ".join(str(cell) for cell in (*cells, shape)) + " |"


def counts_of(only: str) -> dict[str, Any]:
    """Everything that a label has, of the kernels whose names hold `only`."""
    origin = provenance()
    kernels = {}
    for case in shipped():
        if only in case.name:
            kernels[case.name] = counted(case)
            say(_row(case.name, "", kernels[case.name]))
    return {
        "commit": origin["commit"],
        "uncommitted": origin["uncommitted"],
        "counted": origin["started"],
        "triton": triton.__version__,
        "torch": torch.__version__,
        "capability": CAPABILITY,
        "kernels": kernels,
        "launches": recorded_steps(),
    }


def main(arguments: list[str] | None = None) -> None:
    """Count, write, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--label", default="now")
    asked.add_argument(
        "--out", type=Path, default=ROOT / "bench/results/gpu-counts.json"
    )
    asked.add_argument("--only", default="", help="part of the names to count")
    asked.add_argument("--table", action="store_true", help="print, count nothing")
    options = asked.parse_args(arguments)
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    if not options.table:
        found = counts_of(options.only)
        kept = results.get(options.label, {}).get("kernels", {}) if options.only else {}
        found["kernels"] = kept | found["kernels"]
        results[options.label] = found
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
