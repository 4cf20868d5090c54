"""The table of a recorded `scale` result."""

from statistics import median
from typing import Any

from bench.tables import busy, markdown

GIB = 2**30


def scale_table(result: dict[str, Any]) -> str:
    """A line an engine: build, memory, and speed at the recall in turn with ours."""
    parts = result["parts"]
    names = [part.partition("-")[2] for part in parts if part.startswith("build-")]
    title = (
        f"{result['n']:,} x {result['dim']} of intrinsic dimension"
        f" {result['intrinsic']}, cosine, recall@{result['k']} {result['recall']},"
        f" of {result['queries']:,} held-out queries, batches of {result['batch']:,},"
        f" {result['threads']} thread(s)"
    )
    head = ["engine", "build s", "gleann's in", "build GiB", "files GiB"]
    head += ["opened GiB", "searched GiB", "recall", "QPS", "gleann is faster by"]
    ours = parts.get("build-gleann", {}).get("seconds")
    lines = [[name, *_built(parts, name, ours), *_found(parts, name)] for name in names]
    failed = [
        f"- {name} failed: {part['failure']}"
        for name, part in parts.items()
        if "failure" in part
    ]
    tuning = parts.get("build-gleann", {}).get("phases", {}).get("tune")
    notes = []
    if tuning:
        notes.append(f"- {tuning:.0f} s of gleann's build measure operating points")
    found = [title, markdown(head, lines), "\n".join(notes + failed), *busy(result)]
    return "\n\n".join(part for part in found if part)


def _built(parts: dict[str, Any], name: str, ours: float | None) -> list[str]:
    built = parts[f"build-{name}"]
    if "failure" in built:
        return [""] * 4
    ratio = f"1 / {built['seconds'] / ours:.2f}" if ours and name != "gleann" else ""
    return [
        f"{built['seconds']:.0f}",
        ratio,
        f"{built['peak_anonymous_bytes'] / GIB:.2f}",
        f"{built['file_bytes'] / GIB:.2f}",
    ]


def _found(parts: dict[str, Any], name: str) -> list[str]:
    tuned, compared = parts.get(f"tune-{name}", {}), parts.get("compare", {})
    opened = tuned.get("opened_bytes")
    cells = [f"{opened / GIB:.2f}" if opened else ""]
    if name not in compared.get("recall", {}):
        return [*cells, "", "", "", ""]
    rounds = compared["rounds"]
    searched = max(one[name]["anonymous_bytes"] for one in rounds)
    qps = median(one[name]["qps"] for one in rounds)
    cells += [f"{searched / GIB:.2f}", f"{compared['recall'][name]:.4f}", f"{qps:,.0f}"]
    if name == "gleann" or "gleann" not in compared["recall"]:
        return [*cells, ""]
    ratios = [one["gleann"]["qps"] / one[name]["qps"] for one in rounds]
    return [*cells, f"{median(ratios):.2f}x ({min(ratios):.2f}..{max(ratios):.2f})"]
