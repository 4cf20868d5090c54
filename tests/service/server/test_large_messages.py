"""What is larger than a message is cut by bytes, and comes back as one answer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.selection.estimate import EstimateParams
from gleann.service.application import Application
from gleann.service.client.remote import connect
from gleann.service.client.target import REMOTE_SCHEME
from gleann.service.config import Config
from gleann.service.local import application_stubs
from gleann.service.server import Server
from gleann.service.stubs import Stubs
from gleann.service.values import Limits, Selected
from gleann.service.wire.paging import blocks_within, page_of, page_of_groups

N, DIM = 600, 4
LIMITS = Limits(message_bytes=64 * 1024)
"""Far less than 600 rows take under these ids."""

IDS = [f"https://example.org/{'p' * (i % 700)}/{i:04d}" for i in range(N)]
ROWS = np.random.default_rng(3).normal(size=(N, DIM)).astype(np.float32)
QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0, spill="none")
EXACT = SearchParams(k=10, exact=True)


@pytest.fixture(params=["local", "remote"])
def stubs(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    start_server: Callable[..., Server],
) -> Stubs:
    """In process and through gRPC, where messages have 64 KiB."""
    if request.param == "remote":
        address = start_server(limits=LIMITS).target.removeprefix(REMOTE_SCHEME)
        return connect(address, api_key=None, timeout=None)
    config = Config(data_dir=tmp_path / "local", limits=LIMITS)
    return application_stubs(Application(config))


@pytest.fixture
def small(stubs: Stubs) -> Iterator[gleann.Client]:
    """A client of them, with an index of long ids."""
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("long", dim=DIM, metric="l2")
        assert client.upsert("long", IDS, ROWS) == N
        yield client


def nearest(queries: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    distances = ((queries[:, None].astype(float) - rows[None]) ** 2).sum(axis=2)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def test_vectors_go_in_come_out_and_are_removed(small: gleann.Client) -> None:
    assert small.get_index("long").count == N
    assert np.array_equal(small.get_vectors("long", IDS), ROWS)
    assert small.delete_vectors("long", IDS[::2], request_id="once") == N // 2
    assert small.delete_vectors("long", IDS[::2], request_id="once") == N // 2
    assert small.get_index("long").count == N // 2


def test_answers_are_cut_where_their_ids_are_long(small: gleann.Client) -> None:
    found = small.search("long", ROWS, EXACT)
    expected = np.array(IDS)[nearest(ROWS, ROWS, 10)]
    assert np.array_equal(found.ids, expected)
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_a_filter_is_cut_too(small: gleann.Client) -> None:
    allowed = np.arange(0, N, 2)
    names = [IDS[row] for row in allowed] * 2  # repeats are allowed
    found = small.search("long", ROWS[:9], EXACT, allowed_ids=names)
    rows = allowed[nearest(ROWS[:9], ROWS[allowed], 10)]
    assert np.array_equal(found.ids, np.array(IDS)[rows])


def test_one_query_whose_answer_no_message_has_room_for(small: gleann.Client) -> None:
    says = r"answer to 1 queries takes \d{6} bytes, a message may have 65536"
    with pytest.raises(errors.AnswerTooLargeError, match=says):
        small.search("long", ROWS[:3], SearchParams(k=N))


def test_a_row_that_no_message_has_room_for(small: gleann.Client) -> None:
    small.create_index("wide", dim=16_384, metric="l2")
    rows = np.ones((2, 16_384), np.float32)
    with pytest.raises(errors.LimitError, match=r"row 0 takes 65544 bytes, .* 65536"):
        small.upsert("wide", [1, 2], rows)
    assert small.get_index("wide").count == 0


def test_a_request_that_has_to_be_one_message(small: gleann.Client) -> None:
    says = r"CreateSelectionJobRequest takes \d+ bytes, a message may have 65536"
    with pytest.raises(errors.LimitError, match=says):
        small.coresets.uniform("long", k=3, allowed_ids=IDS)


def test_a_selection_is_read_in_pages(small: gleann.Client) -> None:
    small.upsert("long", IDS, ROWS)
    chosen = small.coresets.farthest_first("long", k=400, seed=1).wait(timeout=60)
    assert len(set(chosen.ids.tolist())) == len(chosen) == 400
    assert len(chosen.why["radius"]) == 400 if "radius" in chosen.why else True
    again = small.coresets.get(chosen.name)
    assert again.ids.tolist() == chosen.ids.tolist()


def test_active_learning_over_long_ids(small: gleann.Client) -> None:
    small.build("long", QUICK).wait(timeout=60)
    session = small.active.start(
        "long",
        ids=IDS[:20],
        labels=np.arange(20) % 2,
        params=ActiveParams(pool="global", batch=400),
    )
    scores = small.active.score_items(session)
    assert scores.ids.tolist() == IDS
    assert scores.probabilities.shape == (N, 2)
    some = small.active.score_items(session, IDS[::-1])
    assert some.ids.tolist() == IDS[::-1]
    # Matrix products of other shapes round otherwise.
    assert np.allclose(some.probabilities, scores.probabilities[::-1], atol=1e-9)
    batch = small.next_batch(session)
    assert len(set(batch.ids.tolist())) == 400
    info = small.submit_labels(session, batch.ids, np.arange(400) % 2, request_id="a")
    assert info.labelled == 420
    small.active.ignore(session, IDS)


def test_own_models_over_long_ids(small: gleann.Client) -> None:
    small.build("long", QUICK).wait(timeout=60)
    session = small.active.start(
        "long",
        ids=IDS[:4],
        labels=[0, 1, 0, 1],
        params=ActiveParams(pool="global", batch=5, model="given"),
    )
    wanted = small.active.wanted_ids(session)
    assert sorted(wanted.tolist()) == sorted(IDS[4:])
    small.active.submit_probabilities(session, wanted, np.full((len(wanted), 2), 0.5))
    assert small.active.wanted_ids(session).size == 0
    assert len(small.next_batch(session)) == 5


def test_an_estimate_over_long_ids(small: gleann.Client) -> None:
    small.build("long", QUICK).wait(timeout=60)
    params = EstimateParams(budget=500, pilot_share=0.8)
    session = small.estimates.start("long", params=params, representatives=300)
    labelled = 0
    while len(batch := small.next_batch(session)):
        truth = np.array([int(name[-4:]) % 3 == 0 for name in batch.ids.tolist()])
        labelled += len(batch)
        small.submit_labels(session, batch.ids, truth)
    assert labelled == 500
    assert small.estimates.get(session).labels_used == 500


def test_pages_of_another_model_are_refused(small: gleann.Client, stubs: Stubs) -> None:
    small.build("long", QUICK).wait(timeout=60)
    session = small.active.start(
        "long",
        ids=IDS[:20],
        labels=np.arange(20) % 2,
        params=ActiveParams(pool="global", batch=5),
    )
    stub, calls = stubs.active, []

    class Between:
        """Labels arrive between the first page and the second."""

        def __getattr__(self, name: str) -> object:
            return getattr(stub, name)

        def ScoreItems(self, request: object) -> object:  # noqa: N802
            calls.append(request)
            if len(calls) == 2:
                batch = small.next_batch(session)
                small.submit_labels(session, batch.ids, [0, 1, 0, 1, 0])
            return stub.ScoreItems(request)

    reader = gleann.Client.of_stubs(replace(stubs, active=Between()))
    with pytest.raises(errors.NotReadyError, match="20, then 25 labels"):
        reader.active.score_items(session)


def test_blocks_are_cut_by_bytes_and_by_rows() -> None:
    cap = Limits(message_bytes=4000)  # of which 3000 for rows, 1500 in a block
    sizes = np.array([700, 700, 700, 1600, 100, 100, 100])
    blocks = blocks_within(sizes, cap, name="rows")
    assert blocks == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 7)]
    two = blocks_within(sizes[4:], cap, name="rows", most=2)
    assert two == [slice(0, 2), slice(2, 3)]
    assert blocks_within(sizes[:0], cap, name="rows") == [slice(0, 0)]
    with pytest.raises(errors.LimitError, match=r"rows row 1 takes 3001 bytes.* 4000"):
        blocks_within(np.array([1, 3001]), cap, name="rows")


def chosen(first: int, n: int) -> Selected:
    ids = np.array([f"{i:0100d}" for i in range(first, first + n)])
    numbers = np.arange(n, dtype=np.float32)
    why = {"group": np.array(["long" * 20] * n), "radius": numbers}
    return Selected(ids=ids, scores=numbers, weights=numbers, why=why)


@pytest.mark.parametrize("sizes", [[5], [50], [3, 4], [30, 1, 0, 44], [0], []])
def test_pages_of_groups_are_all_of_them(sizes: list[int]) -> None:
    cap = Limits(message_bytes=4000)
    batches = {f"g{i}": chosen(100 * i, n) for i, n in enumerate(sizes)}
    got: dict[str, list[str]] = {}
    start: int | None = 0
    while start is not None:
        page, start = page_of_groups(batches, cap, start=start)
        for group, part in page.items():
            got.setdefault(group, []).extend(part.ids.tolist())
            assert len(part.why["group"]) == len(part)
    there = {group: ids for group, ids in got.items() if ids}
    assert there == {g: b.ids.tolist() for g, b in batches.items() if len(b)}


def test_a_page_has_no_more_than_was_asked_for() -> None:
    page, more = page_of(chosen(0, 9), LIMITS, start=2, most=4)
    assert [int(name) for name in page.ids.tolist()] == [2, 3, 4, 5]
    assert more == 6
    assert page_of(chosen(0, 9), LIMITS, start=6, most=4)[1] is None
