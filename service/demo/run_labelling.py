"""Labelling of rare concepts with the default pool, SEALS, all words, at random."""

from time import perf_counter

import numpy as np

from gleann.index import SoarIndex
from gleann.index.metric import prepare
from gleann.selection import IndexNeighbours
from gleann.service.client import Client
from gleann.service.demo.concepts import Concept
from gleann.service.demo.labelling import (
    METHODS,
    Run,
    Task,
    active_params,
    run_method,
    seed_rows,
    start_session,
)
from gleann.service.demo.result import ConceptFacts, SessionCheck
from gleann.service.demo.stage import Stage
from gleann.service.demo.tour import NAME
from gleann.service.demo.words import Words
from gleann.service.report.numerals import percent

NPROBE = 24
"""Lists searched for a word's neighbours, in process and by the service alike."""
CHECKED_BATCHES = 4


def make_tasks(words: Words, concepts: list[Concept], index: SoarIndex) -> list[Task]:
    """Turn concepts into rows to label and test rows."""
    tasks = []
    test = prepare(words.vectors[words.held_out], "cosine")
    for concept in concepts:
        clear = ~concept.ambiguous[words.held_out]
        tasks.append(
            Task(
                name=concept.name,
                vectors=index.vectors,
                positive=concept.positive[words.base],
                ambiguous=concept.ambiguous[words.base],
                test=test[clear],
                test_positive=concept.positive[words.held_out][clear],
            )
        )
    return tasks


def run_labelling(stage: Stage, tasks: list[Task], index: SoarIndex) -> list[Run]:
    """Every concept, seed and method."""
    neighbours = IndexNeighbours(index, nprobe=min(NPROBE, index.nlist))
    runs = []
    with stage.timed("labelling rare concepts"):
        for task in tasks:
            stage.say(
                f"   {task.name}: {task.positive.sum():,} words,"
                f" {percent(task.prevalence)}"
            )
            for number in range(stage.scale.label_seeds):
                for method in METHODS:
                    seed = stage.seed + number
                    run = run_method(task, method, neighbours, stage.scale, seed=seed)
                    runs.append(run)
                    _tell(stage, run)
    return runs


def check_session(
    stage: Stage, task: Task, words: Words, index: SoarIndex, client: Client
) -> SessionCheck:
    """Run the first batches of one session through gRPC and in process."""
    names = np.array([words.words[row] for row in words.base])
    neighbours = IndexNeighbours(index)
    local = start_session(task, "default", neighbours, stage.scale, seed=stage.seed)
    rows = seed_rows(task, seed=stage.seed)
    with stage.timed("one labelling session through gRPC"):
        start = perf_counter()
        session = client.active.start(
            NAME,
            ids=names[rows],
            labels=task.positive[rows].astype(np.int64),
            params=active_params("default", stage.scale, seed=stage.seed),
        )
        client.active.ignore(session, names[task.ambiguous])
        same = True
        for _ in range(CHECKED_BATCHES):
            there, here = client.next_batch(session), local.next_batch()
            same = same and there.ids.tolist() == names[here.rows].tolist()
            answers = dict(zip(names.tolist(), task.positive.tolist(), strict=True))
            client.submit_labels(
                session, there.ids, [int(answers[word]) for word in there.ids.tolist()]
            )
            local.submit_labels(here.ids, task.positive[here.rows].astype(np.int64))
        client.sessions.close(session)
        check = SessionCheck(
            concept=task.name,
            batches=CHECKED_BATCHES,
            same=same,
            seconds=perf_counter() - start,
        )
        stage.say(f"   {'the same' if same else 'other'} words as in process")
    return check


def facts_of(task: Task) -> ConceptFacts:
    """Facts about a concept for the report."""
    return ConceptFacts(
        name=task.name,
        prevalence=task.prevalence,
        positives=int(task.positive.sum()),
        test_positives=int(task.test_positive.sum()),
    )


def _tell(stage: Stage, run: Run) -> None:
    end = run.checkpoints[-1]
    stage.say(
        f"     {run.method:<7} seed {run.seed}: AP {end.ap_pool:.3f} on the pool,"
        f" {end.ap_test:.3f} held out, {end.positives:>3} positives,"
        f" looked at {percent(end.looked_at):>7}, {run.select_seconds:.1f} s"
    )
