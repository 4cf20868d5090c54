"""`--state` of the estimate commands: a run continues from the session of the last."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gleann.selection.estimate.proxies.label_votes import LabelVotes
from gleann.service.cli.main import run as command

ANSWERS, TODO, STATE = Path("answers.csv"), Path("todo.csv"), Path("s.json")
SUMS = Path("s.json.npz")
RNG = np.random.default_rng(24)
ROWS = RNG.standard_normal((400, 4)).astype(np.float32)
HELD = ROWS[:, 0] > 0.8
GROUPS = np.where(ROWS[:, 0] > 0.5, "a", np.where(ROWS[:, 1] > 0.5, "b", ""))
OTHER = {"a": ROWS[:, 0] > 0.5, "b": ROWS[:, 1] > 0}

INDEX = ("--index", "i.gleann")
REPRESENTATIVES = (*INDEX, "--representatives", 12)
KINDS = {
    "one proxy": ("--proxy", "near.npy", "--rounds", 4),
    "several proxies": ("--proxy", "near.npy", "--proxy", "far.npy"),
    "representatives": (*REPRESENTATIVES, "--rounds", 4),
    "labelled": (*INDEX, "--labelled", "l.csv", "--rounds", 3),
    "labelled, a mean": (*INDEX, "--labelled", "l.csv", "--target", "avg"),
    "bootstrap": (*INDEX, "--labelled", "l.csv", "--interval", "bootstrap"),
    "stopping": (*REPRESENTATIVES, "--stop-at-width", 100),
    "groups": ("--group", "a=near.npy", "--group", "b=far.npy"),
    "overlapping": ("--group", "a=near.npy", "--group", "b=far.npy", "--overlapping"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", ROWS)
    np.save("near.npy", np.clip(ROWS[:, 0] / 4 + 0.5, 0, 1))
    np.save("far.npy", np.clip(ROWS[:, 1] / 4 + 0.5, 0, 1))
    labelled = np.concatenate([np.flatnonzero(HELD)[:3], np.flatnonzero(~HELD)[:17]])
    lines = [f"{row},{int(HELD[row])}" for row in labelled]
    Path("l.csv").write_text("\n".join(["id,positive", *lines]) + "\n")
    assert run("build", "rows.npy", "i.gleann", "--metric", "l2") == 0
    return tmp_path


def run(*arguments):
    return command([str(argument) for argument in arguments])


def estimate(*rest, out="o.json", budget=60):
    name = "estimate-groups" if "--group" in rest else "estimate"
    return run(name, "--oracle-csv", "answers.csv", "--budget", budget, "--out", out,
               *rest)  # fmt: skip


def answer():
    """Add what todo.csv asks for to answers.csv; the lines that were asked for."""
    with TODO.open() as asked:
        lines = list(csv.DictReader(asked))
    with ANSWERS.open("a") as answers:
        if not answers.tell():
            answers.write("id,group,positive,value\n")
        for line in lines:
            row, group = int(line["id"]), line.get("group")
            held = OTHER[group][row] if group else HELD[row]
            named = group or GROUPS[row]
            answers.write(f"{row},{named},{int(held)},{ROWS[row, 1]:.3f}\n")
    return [tuple(line.values()) for line in lines]


def loop(*arguments, out="o.json"):
    """Answer until the command ends; what was asked, and the results."""
    ANSWERS.unlink(missing_ok=True)
    asked = []
    for _ in range(20):
        if (code := estimate(*arguments, out=out)) != 3:
            assert code == 0
            return asked, json.loads(Path(out).read_text())
        asked.append(answer())
    raise AssertionError("it asks for ever")


def begun(*arguments, turns=2):
    """The first runs, each answered."""
    for _ in range(turns):
        assert estimate(*arguments, "--state", STATE) == 3
        answer()


def refused(capsys, *arguments, code=1, **changes):
    """The one line of a run that is refused."""
    capsys.readouterr()
    assert estimate(*arguments, "--state", STATE, **changes) == code
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    return error


@pytest.fixture
def scans(monkeypatch):
    """The labels of each scan over the rows."""
    counts = []
    added = LabelVotes.added

    def counting(self, sums, rows, labels, **rest):
        counts.append(len(rows))
        return added(self, sums, rows, labels, **rest)

    monkeypatch.setattr(LabelVotes, "added", counting)
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_session_asks_and_estimates_as_one_that_is_replayed(kind):
    asked, made = loop(*KINDS[kind])
    assert len(asked) >= 1
    again, kept = loop(*KINDS[kind], "--state", STATE, out="kept.json")
    assert again == asked
    assert kept == made
    # A run after the end changes nothing.
    before = STATE.read_bytes()
    assert estimate(*KINDS[kind], "--state", STATE, "--resume", out="more.json") == 0
    assert json.loads(Path("more.json").read_text()) == made
    assert STATE.read_bytes() == before


def test_each_label_is_scanned_once_in_all_runs(scans):
    asked, _ = loop(*KINDS["representatives"], "--state", STATE)
    rounds = [len(batch) for batch in asked]
    # The last round's labels are scanned by no one: no round follows.
    assert scans == rounds[:-1]
    scans.clear()
    loop(*KINDS["representatives"], out="replayed.json")
    assert len(scans) > len(rounds)


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "empty", "no zip"])
def test_without_whole_sums_the_labels_are_scanned_again(damage, scans):
    asked, made = loop(*KINDS["representatives"], out="whole.json")
    ANSWERS.unlink()
    begun(*KINDS["representatives"])
    whole = SUMS.read_bytes()
    if damage == "gone":
        SUMS.unlink()
    else:
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        SUMS.write_bytes(
            {"cut": whole[:-40], "changed": bytes(changed), "empty": b""}.get(
                damage, b"no zip"
            )
        )
    scans.clear()
    assert estimate(*KINDS["representatives"], "--state", STATE) == 3
    assert scans == [len(asked[0]), len(asked[1])]
    assert answer() == asked[2]
    assert estimate(*KINDS["representatives"], "--state", STATE) == 3
    assert answer() == asked[3]
    assert estimate(*KINDS["representatives"], "--state", STATE) == 3
    answer()
    assert estimate(*KINDS["representatives"], "--state", STATE, out="k.json") == 0
    assert json.loads(Path("k.json").read_text()) == made


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--target", "sum"), "--target count, not sum"),
        (("--strata", 4), "--strata 5, not 4"),
        (("--seed", 1), "--seed 0, not 1"),
        (("--confidence", 0.9), "--confidence 0.95, not 0.9"),
        (("--rounds", 3), "--rounds 4, not 3"),
        (("--stop-at-width", 9), "--stop-at-width unset, not 9.0"),
        (("--representatives", 13), "--representatives 12, not 13"),
    ],
)
def test_other_parameters_are_refused_by_the_option(change, named, capsys):
    begun(*KINDS["representatives"], turns=1)
    error = refused(capsys, *KINDS["representatives"], *change)
    assert named in error
    assert "--state s.json: it was started with" in error
    assert "add --overwrite to start anew" in error


def test_another_budget_is_refused_in_the_numbers_given(capsys):
    begun(*KINDS["representatives"], turns=1)
    error = refused(capsys, *KINDS["representatives"], budget=70)
    assert "--budget 60, not 70" in error


def test_other_data_or_kinds_are_refused(capsys):
    begun(*KINDS["one proxy"], turns=1)
    other = ("--proxy", "far.npy", "--rounds", 4)
    assert "state is of proxies" in refused(capsys, *other)
    assert "gleann.estimate-choosing" in refused(capsys, *KINDS["several proxies"])
    assert "expected a state of format" in refused(capsys, *KINDS["groups"])
    begun(*KINDS["labelled"], "--overwrite", turns=1)
    Path("l.csv").write_text("id,positive\n0,0\n1,0\n2,0\n")
    error = refused(capsys, *KINDS["labelled"])
    assert "20 labels of --labelled, not with these 3" in error


def test_overwrite_starts_anew_only_what_does_not_fit(scans):
    begun(*KINDS["representatives"])
    scans.clear()
    assert estimate(*KINDS["representatives"], "--state", STATE, "--overwrite") == 3
    assert len(scans) == 1
    more = (*KINDS["representatives"], "--seed", 1, "--state", STATE, "--overwrite")
    assert estimate(*more) == 3
    assert json.loads(STATE.read_text())["params"]["seed"] == 1
    STATE.write_text("{")
    assert estimate(*more) == 3
    assert json.loads(STATE.read_text())["params"]["seed"] == 1


def test_a_damaged_session_is_one_line(capsys):
    begun(*KINDS["one proxy"])
    state = json.loads(STATE.read_text())
    state["answers"][0] = 1 - state["answers"][0]
    STATE.write_text(json.dumps(state))
    assert "the state's answers is not as it was" in refused(
        capsys, *KINDS["one proxy"]
    )
    STATE.write_text("[]")
    assert "s.json is not a session" in refused(capsys, *KINDS["one proxy"])


@pytest.mark.parametrize("kind", ["one proxy", "representatives", "groups"])
def test_a_changed_answer_is_named(kind, capsys):
    begun(*KINDS[kind])
    lines = ANSWERS.read_text().splitlines()
    row, group, positive, value = lines[1].split(",")
    lines[1] = f"{row},{'' if group else 'a'},{1 - int(positive)},{value}"
    ANSWERS.write_text("\n".join(lines) + "\n")
    error = refused(capsys, *KINDS[kind])
    assert f"differ from those given before: {row}" in error


def test_answers_that_are_kept_may_leave_the_file():
    asked, made = loop(*KINDS["representatives"], out="whole.json")
    ANSWERS.unlink()
    for batch in asked:
        assert estimate(*KINDS["representatives"], "--state", STATE) == 3
        ANSWERS.unlink(missing_ok=True)
        assert answer() == batch
    assert estimate(*KINDS["representatives"], "--state", STATE, out="k.json") == 0
    kept = json.loads(Path("k.json").read_text())
    assert kept["estimate"] == made["estimate"]


def test_resume_needs_a_session(capsys):
    capsys.readouterr()
    assert estimate(*KINDS["one proxy"], "--resume") == 1
    assert "--resume continues from --state: give" in capsys.readouterr().err
    assert "there is no s.json to resume" in refused(
        capsys, *KINDS["one proxy"], "--resume"
    )


def test_progress_goes_to_stderr_when_asked_for(monkeypatch, capsys):
    monkeypatch.setattr("gleann.service.cli.progress.DELAY_SECONDS", 0)
    begun(*KINDS["representatives"], turns=1)
    capsys.readouterr()
    assert estimate(*KINDS["representatives"], "--state", STATE, "--progress") == 3
    answer()
    assert "propagate" in capsys.readouterr().err
    assert estimate(*KINDS["representatives"], "--state", STATE) == 3
    assert capsys.readouterr().err.count("\n") == 1
