"""Pickles and copies of an index: by path where it was loaded, else by value."""

import copy
import pickle
import subprocess
import sys
import warnings
from shutil import rmtree

import numpy as np
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex
from gleann.index.errors import CorruptDataError, MissingFileError

ROWS = np.random.default_rng(4).standard_normal((80, 4)).astype(np.float32)
NAMES = [f"n{row}" for row in range(80)]
PARAMS = SearchParams(k=4)


@pytest.fixture
def built():
    return SoarIndex.build(ROWS, BuildParams(nlist=5), ids=NAMES, engine="reference")


@pytest.fixture
def loaded(built, tmp_path):
    built.save(tmp_path / "index")
    return SoarIndex.load(tmp_path / "index", engine="reference")


def answers(index):
    found = index.search(ROWS[:9], PARAMS)
    return found.ids.tolist(), found.distances.tolist(), index.engine_name


def test_a_built_index_travels_by_value_with_a_warning(built):
    with pytest.warns(UserWarning, match="80 rows by value.*save it"):
        text = pickle.dumps(built)
    back = pickle.loads(text)
    assert answers(back) == answers(built)
    assert back.data_hash == built.data_hash
    assert back.operating_points == built.operating_points
    assert not back.vectors.flags.writeable


def test_a_loaded_index_travels_as_its_path(loaded):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = pickle.dumps(loaded)
        again = pickle.dumps(pickle.loads(text))
    assert len(text) < 1000 > len(again)
    assert answers(pickle.loads(text)) == answers(loaded)


def test_another_process_opens_it(loaded, tmp_path):
    (tmp_path / "pickle").write_bytes(pickle.dumps(loaded))
    code = (
        "import pickle, sys; index = pickle.load(open(sys.argv[1], 'rb'));"
        "print(index.data_hash, index.engine_name)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "pickle")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.split() == [loaded.data_hash, "reference"]


def test_another_engine_over_the_same_files_travels_too(loaded):
    text = pickle.dumps(loaded.with_engine("reference"))
    assert answers(pickle.loads(text)) == answers(loaded)


def test_files_that_are_gone_or_others_are_refused(loaded, tmp_path):
    text = pickle.dumps(loaded)
    SoarIndex.build(ROWS + 1, BuildParams(nlist=5)).save(tmp_path / "index")
    with pytest.raises(CorruptDataError, match="was replaced since"):
        pickle.loads(text)
    rmtree(tmp_path / "index")
    with pytest.raises(MissingFileError):
        pickle.loads(text)


def test_copies_of_what_never_changes_are_itself(built):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert copy.copy(built) is built
        assert copy.deepcopy({"index": built})["index"] is built
