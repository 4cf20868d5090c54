"""Results as tables: what each form holds, and that it is the same in all of them."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from gleann.index import BuildParams, SearchParams, SoarIndex, knn_graph
from gleann.index.errors import EngineUnavailableError, StorageError
from gleann.index.tables.tabular import Record, Table, Tabular, as_json
from gleann.index.texts import Texts

ROWS = np.random.default_rng(7).standard_normal((40, 3)).astype(np.float32)
NAMES = np.array([f'item {row}, "{row}"' for row in range(40)])


class Colour(Enum):
    RED = 1


class Example(Tabular):
    """Every kind of column: numbers with gaps, texts, words of several types."""

    def table(self) -> Table:
        words = np.empty(3, object)
        words[:] = [("a", 1), Colour.RED, 7]
        return Table(
            columns={
                "id": np.array(["x\0y", "", 'q"uo,te\n']),
                "score": np.array([0.1, np.nan, np.inf], np.float32),
                "count": np.array([1, 2, 3]),
                "kept": np.array([True, False, True]),
                "text": Texts.of_texts(["å", "b", "c"]),
                "word": words,
            },
            facts={"summary": {"radius": np.float64(0.5), "missing": np.nan}},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class One(Record):
    """A line with a number that is missing, and parts that fit no cell."""

    value: float | None
    note: str
    parts: tuple[int, ...] = (1, 2)
    origin: dict[str, Any] = field(default_factory=dict)


def test_a_dictionary_is_strict_json():
    made = Example().to_dict()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["summary"] == {"radius": 0.5, "missing": None}
    assert made["columns"]["id"] == ["x\0y", "", 'q"uo,te\n']
    assert made["columns"]["score"] == [pytest.approx(0.1), None, None]
    assert made["columns"]["kept"] == [True, False, True]
    assert made["columns"]["word"] == [["a", 1], "RED", 7]


def test_arrow_keeps_types_and_has_the_facts_as_metadata():
    table = Example().to_arrow()
    assert table.schema.field("score").type == pa.float32()
    assert table["score"].to_pylist() == [pytest.approx(0.1), None, np.inf]
    assert table["count"].to_pylist() == [1, 2, 3]
    assert table["id"].to_pylist() == ["x\0y", "", 'q"uo,te\n']
    assert table["text"].to_pylist() == ["å", "b", "c"]
    assert table["word"].to_pylist() == ["['a', 1]", "RED", "7"]
    summary = json.loads(table.schema.metadata[b"summary"])
    assert summary == {"radius": 0.5, "missing": None}


def test_csv_is_read_back_as_the_columns(tmp_path):
    path = tmp_path / "picked.csv"
    path.write_text("an older file")
    Example().to_csv(path)
    options = pyarrow.csv.ConvertOptions(
        column_types={"score": pa.float32(), "id": pa.string(), "word": pa.string()},
        strings_can_be_null=False,
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    read = pyarrow.csv.read_csv(path, parse_options=parse, convert_options=options)
    written = Example().to_arrow()
    assert read.column_names == written.column_names
    assert read.to_pylist() == written.to_pylist()


def test_csv_that_cannot_be_written_is_refused_with_its_path(tmp_path):
    with pytest.raises(StorageError, match=r"cannot write .*absent/a\.csv: No such"):
        Example().to_csv(tmp_path / "absent" / "a.csv")
    with pytest.raises(StorageError, match="directory"):
        Example().to_csv(tmp_path)


@pytest.mark.parametrize(
    ("form", "package"), [("to_pandas", "pandas"), ("to_arrow", "pyarrow")]
)
def test_a_missing_package_is_named(monkeypatch, form, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        EngineUnavailableError, match=f"{form} needs the package {package}"
    ):
        getattr(Example(), form)()


def test_a_dictionary_needs_neither_package():
    code = (
        "import sys; sys.modules['pyarrow'] = sys.modules['pandas'] = None\n"
        "from gleann.selection import uniform\n"
        "print(uniform(9, k=2, seed=1).to_dict()['columns']['row'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert len(json.loads(ran.stdout)) == 2


def test_pandas_has_the_columns_and_the_facts():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = Example().to_pandas()
    assert frame["count"].tolist() == [1, 2, 3]
    assert frame["id"].tolist() == ["x\0y", "", 'q"uo,te\n']
    assert frame["score"].dtype == np.float32
    assert frame["score"].isna().tolist() == [False, True, False]
    assert frame.attrs["summary"]["radius"] == 0.5
    assert isinstance(frame, pandas.DataFrame)


def test_a_record_is_one_line_and_a_flat_dictionary():
    one = One(value=None, note="none", origin={"seed": np.int64(3)})
    assert one.to_dict() == {
        "value": None,
        "note": "none",
        "parts": [1, 2],
        "origin": {"seed": 3},
    }
    table = one.to_arrow()
    assert table.to_pylist() == [{"value": None, "note": "none"}]
    assert table.schema.field("value").type == pa.float64()
    assert json.loads(table.schema.metadata[b"origin"]) == {"seed": 3}


def test_what_json_lacks_becomes_a_text():
    assert as_json({1: {2}, "a": (b"x", np.float32("nan"))}) == {
        "1": [2],
        "a": ["b'x'", None],
    }


def test_a_search_is_a_line_per_neighbour_that_was_found():
    index = SoarIndex.build(ROWS, BuildParams(metric="l2"), ids=NAMES)
    allowed = np.arange(40) < 2
    found = index.search(ROWS[:3], SearchParams(k=3, allowed=allowed))
    lines = found.to_arrow().to_pylist()
    assert len(lines) == 6
    assert [line["query"] for line in lines] == [0, 0, 1, 1, 2, 2]
    assert [line["id"] for line in lines] == found.ids[:, :2].ravel().tolist()
    assert lines[0]["distance"] == 0.0
    assert found.to_dict()["stats"]["exact"] is True
    rows = index.find_rows(ROWS[:3], SearchParams(k=3, allowed=allowed)).to_dict()
    assert [NAMES[row] for row in rows["columns"]["row"]] == [x["id"] for x in lines]


def test_a_graph_is_a_line_per_edge():
    index = SoarIndex.build(ROWS, BuildParams(metric="l2"), ids=NAMES)
    graph = knn_graph(index, k=4)
    table = graph.to_arrow()
    assert table.num_rows == 160
    assert table["id"].to_pylist() == np.repeat(NAMES, 4).tolist()
    assert table["neighbour"].to_pylist() == graph.ids.tolist()
    assert table["rank"].to_pylist()[:5] == [0, 1, 2, 3, 0]
    assert json.loads(table.schema.metadata[b"summary"])["k"] == 4
