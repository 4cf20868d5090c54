"""Globs over names of a store, against those of the disk."""

import glob

import pytest

from gleann.index.data.files import matching

NAMED = ["v.npy", "a/v.npy", "a/b/v.npy", "a/b/c/w.npy", "a/[x/v.npy", "aa/v1.npy"]


@pytest.mark.parametrize("pattern", [
    "*.npy", "a/*.npy", "a/**/*.npy", "**/*.npy", "**/b/**/*.npy", "**/**/v.npy", "**",
    "a/**", "?/v.npy", "[ab]/v.npy", "[!a]*/v.npy", "a*/v[0-9].npy", "a/[[]x/v.npy",
    "[z-a]/v.npy", "a/**.npy", "**/c/*", "**/v", "a/b",
])  # fmt: skip
def test_globs_in_a_store_are_those_of_the_disk(pattern, tmp_path):
    for name in NAMED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = glob.glob(pattern, root_dir=tmp_path, recursive=True)
    assert set(matching(NAMED, pattern)) == {f for f in found if f in NAMED}


def test_a_glob_of_many_folders_is_quick():
    """One regular expression would take years, and hold a server up."""
    assert matching(["a/" * 400 + "b"], "**/a/" * 60 + "c") == []
    assert matching(["a" * 900], "*a" * 60 + "b") == []
