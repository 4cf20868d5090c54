"""Matrix products on one thread, whoever else asks for that meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from gleann.index.parallel.blas import one_blas_thread


def blas_threads() -> list[int]:
    """Of the libraries that have one number for all threads."""
    found = ThreadpoolController().select(user_api="blas").info()
    return [
        library["num_threads"]
        for library in found
        if library["threading_layer"] != "openmp"
    ]


@contextmanager
def another_inside() -> Iterator[None]:
    """Come in, have another thread come in too, and leave before it does."""
    inside, leave = threading.Event(), threading.Event()

    def second() -> None:
        with one_blas_thread():
            inside.set()
            assert leave.wait(60)

    with one_blas_thread():
        thread = threading.Thread(target=second)
        thread.start()
        assert inside.wait(60)
    yield
    leave.set()
    thread.join()


@pytest.fixture(autouse=True)
def several_threads():
    with threadpool_limits(3, user_api="blas"):
        if set(blas_threads()) != {3}:
            pytest.skip("this BLAS has no threads to limit")
        yield


def test_one_thread_inside_and_what_there_was_after():
    with one_blas_thread():
        assert set(blas_threads()) == {1}
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {3}


def test_callers_that_leave_in_another_order_leave_no_limit():
    """The first to come is the first to go: the limit stays for the second only."""
    with another_inside():
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {3}


def test_an_exception_takes_the_limit_back():
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert set(blas_threads()) == {3}
    assert np.isfinite(np.ones((9, 9)) @ np.ones((9, 9))).all()


def test_a_library_with_a_number_for_each_thread_gets_its_own_back():
    faiss = pytest.importorskip("faiss")
    assert faiss.omp_get_max_threads() >= 1  # loaded, with its BLAS
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    per_thread = [one for one in libraries if one.threading_layer == "openmp"]
    if not per_thread:
        pytest.skip("no BLAS here is built on OpenMP")
    before = [one.get_num_threads() for one in per_thread]
    with another_inside():
        pass
    assert [one.get_num_threads() for one in per_thread] == before
