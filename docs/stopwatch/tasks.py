"""The tasks of the stopwatch: their scripts, and those of the best peer for each."""

import ast
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "scripts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task, and the scripts that do it.

    Attributes:
        name: what a newcomer wants.
        ours: the script with gleann; "" where there is none here.
        peer: name of the peer; "" where no peer does the task.
        theirs: its script; "" for none.
        needs: modules that the script of the peer imports, and gleann does not install.
        timed: whether the script of the peer can be timed, where its module is there.
        programs: that our script calls, beyond those of every system.
        ours_needs: those that our script does.
        note: on what the peer's script leaves out, or why nothing is measured.
    """

    name: str
    ours: str = ""
    peer: str = ""
    theirs: str = ""
    needs: str = ""
    timed: bool = True
    ours_needs: str = ""
    programs: tuple[str, ...] = ()
    note: str = ""


TASKS = (
    Task(
        name="first result on own npy",
        ours="npy.sh",
        peer="faiss HNSW",
        theirs="npy-faiss.py",
        needs="faiss",
        note="The recall of the peer is not known; ours is asked for 0.95.",
    ),
    Task(
        name="own parquet with text ids",
        ours="parquet.sh",
        peer="LanceDB",
        theirs="parquet-lancedb.py",
        needs="lancedb",
        note="The peer's queries run one by one.",
    ),
    Task(
        name="label 100 items, to find a rare kind",
        ours="rare.py",
        peer="modAL",
        theirs="rare-modal.py",
        needs="modAL",
        timed=False,
        note="The peer scores all rows in each round. Its release fails with"
        " scikit-learn 1.9, so it was not timed.",
    ),
    Task(
        name="estimate a rate to 2 % either way",
        ours="rate.sh",
        peer="a uniform sample in NumPy",
        theirs="rate-numpy.py",
        note="The peer's interval is Wald's, of a size fixed beforehand.",
    ),
    Task(
        name="near-duplicates",
        ours="duplicates.sh",
        peer="SemHash",
        theirs="duplicates-semhash.py",
        needs="semhash",
        note="The peer's pairs are not all.",
    ),
    Task(
        name="10,000 rows with quotas",
        ours="quotas.sh",
        peer="apricot",
        theirs="quotas-apricot.py",
        needs="apricot",
        note="The peer maximises another objective (facility location).",
    ),
    Task(
        name="UMAP from the graph",
        ours="umap-graph.py",
        peer="UMAP alone",
        theirs="umap-umap.py",
        needs="umap",
        ours_needs="umap",
        note="The recall of the peer's graph is not known; ours is asked for 0.95.",
    ),
    Task(
        name="serve with a key and TLS, search from another language",
        ours="language.sh",
        programs=("node", "npm", "openssl", "unzip"),
        note="From Node, whose packages npm fetches meanwhile:"
        " [from another language](howto/other_languages.md). `make protos` has made the"
        " archive. No peer was at hand without Docker.",
    ),
    Task(
        name="plug into ann-benchmarks",
        note="Three commands, [in other libraries](adapters/index.md). Not timed: the"
        " runner is upstream's, of which a checkout is needed, and most of its seconds"
        " are the download of a data set. A test runs it where there is a checkout.",
    ),
)


def lines_of(script: str) -> int:
    """Statements of a script of Python, or commands of a script of the shell.

    How a long statement is wrapped does not count, so that nobody saves lines by it.
    """
    text = (SCRIPTS / script).read_text("utf-8")
    if script.endswith(".sh"):
        return len([line for line in text.splitlines() if line.strip()])
    return sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text)))
