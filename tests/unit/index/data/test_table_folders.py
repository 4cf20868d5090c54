"""Folders of tables, and tables with several columns of vectors."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pytest
from tables_of_vectors import (
    IDS,
    ROWS,
    WRITERS,
    lists_of,
    source_of,
    table_of,
    write_parquet,
)

from gleann import data
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
)


class TestColumnsOfVectors:
    def test_several_need_a_name(self):
        table = table_of().append_column("other", lists_of(ROWS + 1))
        with pytest.raises(InvalidInputError, match=r"2 columns .*\(vector, other\)"):
            data.open(table)
        assert data.open(table, vectors="other").vectors[0:1].tolist() == [[1, 2, 3]]

    def test_none(self):
        with pytest.raises(InvalidInputError, match=r"only id \(int64\), x \(double\)"):
            data.open(pa.table({"id": [1], "x": [1.0]}))

    def test_a_column_for_each_dimension(self, tmp_path):
        table = pa.table({"id": IDS, **{f"x{d}": ROWS[:, d] for d in range(3)}})
        for source in ("table", ".parquet"):
            given = source_of(source, table, tmp_path)
            found = data.open(given, vectors=["x2", "x0"])
            assert np.array_equal(found.vectors, ROWS[:, [2, 0]])
            assert np.array_equal(found.vectors[5:9], ROWS[5:9][:, [2, 0]])
        holed = table.set_column(1, "x0", pa.array([None, *ROWS[1:, 0]], pa.float32()))
        with pytest.raises(InvalidInputError, match="'x0' has 1 nulls, such as row 0"):
            np.asarray(data.open(holed, vectors=["x0", "x1"]).vectors)
        with pytest.raises(InvalidInputError, match="'id' must hold numbers, got str"):
            data.open(table, vectors=["id", "x1"])

    def test_columns_for_dimensions_of_two_types_in_two_files(self, tmp_path):
        """Those of the second file are not cut to whole numbers."""
        write_parquet(pa.table({"x": [1, 2], "y": [3, 4]}), tmp_path / "1.parquet")
        halves = pa.table({"x": [0.5], "y": [1.5]})
        write_parquet(halves, tmp_path / "2.parquet")
        found = data.open(tmp_path, vectors=["x", "y"])
        assert found.vectors.dtype == np.float64
        assert np.asarray(found.vectors).tolist() == [[1, 3], [2, 4], [0.5, 1.5]]
        write_parquet(pa.table({"x": ["7"], "y": [1.5]}), tmp_path / "2.parquet")
        with pytest.raises(InvalidInputError, match=r"2\.parquet.* 'x' must hold numb"):
            data.open(tmp_path, vectors=["x", "y"])
        write_parquet(pa.table({"x": [7]}), tmp_path / "2.parquet")
        with pytest.raises(InvalidInputError, match=r"2\.parquet has no column 'y'"):
            data.open(tmp_path, vectors=["x", "y"])

    @pytest.mark.parametrize(
        ("name", "says"), [("x", "no column 'x', only id, v"), ("id", "got string")]
    )
    def test_a_name_of_no_vectors(self, name, says):
        with pytest.raises(InvalidInputError, match=says):
            data.open(table_of(), vectors=name)

    def test_two_of_one_name(self):
        table = pa.table([lists_of(ROWS), lists_of(ROWS)], names=["vector", "vector"])
        with pytest.raises(InvalidInputError, match="2 columns 'vector'"):
            data.open(table, vectors="vector")


class TestFolders:
    def test_files_in_natural_order(self, tmp_path):
        for part in (0, 1, 2):
            rows = slice(7 * part, min(20, 7 * part + 7))
            name = f"part-{[1, 2, 10][part]}.parquet"
            write_parquet(table_of(ROWS[rows], IDS[rows]), tmp_path / name)
        for source in (tmp_path, f"{tmp_path}/*.parquet"):
            found = data.open(source)
            assert np.array_equal(found.vectors, ROWS)
            assert np.array_equal(found.vectors[6:15], ROWS[6:15])
            assert found.ids.tolist() == IDS

    @pytest.mark.parametrize("suffix", [".parquet", ".feather"])
    def test_partitions_are_columns(self, suffix, tmp_path):
        for lang, year, rows in [
            ("en", 2020, slice(0, 5)), ("en", 2021, slice(5, 9)),
            ("de", 2020, slice(9, 20)),
        ]:  # fmt: skip
            folder = tmp_path / f"lang={lang}" / f"year={year}"
            folder.mkdir(parents=True)
            WRITERS[suffix](table_of(ROWS[rows], IDS[rows]), folder / f"p{suffix}")
        found = data.open(tmp_path, columns="all")
        assert found.schema.names == ("lang", "year")
        expected = [("de", 2020)] * 11 + [("en", 2020)] * 5 + [("en", 2021)] * 4
        held = found.payload().to_arrow().to_pydict()
        assert list(zip(held["lang"], held["year"], strict=True)) == expected
        assert np.array_equal(found.vectors, np.concatenate([ROWS[9:], ROWS[:9]]))
        theirs = data.open(
            pa.dataset.dataset(
                tmp_path,
                format="ipc" if suffix == ".feather" else "parquet",
                partitioning="hive",
            ),
            columns="all",
        )
        assert theirs.payload().to_arrow().equals(found.payload().to_arrow())

    def test_a_partition_that_is_a_column_too(self, tmp_path):
        (tmp_path / "lang=en").mkdir()
        path = tmp_path / "lang=en" / "p.parquet"
        write_parquet(table_of(lang=["de"] * 20), path)
        with pytest.raises(
            InvalidInputError, match="column 'lang', and is in a folder"
        ):
            data.open(tmp_path)
        write_parquet(table_of(lang=[3] * 20), path)
        with pytest.raises(InvalidInputError, match="lang has incompatible types"):
            data.open(tmp_path)

    def test_a_file_without_the_column_is_named(self, tmp_path):
        write_parquet(table_of(), tmp_path / "1.parquet")
        write_parquet(table_of().drop_columns("vector"), tmp_path / "2.parquet")
        with pytest.raises(InvalidInputError, match=r"2\.parquet has no column 'vect"):
            data.open(tmp_path)

    def test_a_file_of_another_dimension_is_named(self, tmp_path):
        write_parquet(table_of(), tmp_path / "1.parquet")
        write_parquet(table_of(ROWS[:, :2]), tmp_path / "2.parquet")
        with pytest.raises(DimensionMismatchError, match=r"2\.parquet.*2 d.*row 0.*3"):
            np.asarray(data.open(tmp_path, ids="").vectors)

    def test_dtypes_of_two_files(self, tmp_path):
        write_parquet(table_of(), tmp_path / "1.parquet")
        exact = pa.list_(pa.float64())
        wide = pa.table({"vector": pa.array([[1 + 1e-12, 2, 3]], exact)})
        write_parquet(wide, tmp_path / "2.parquet")
        found = data.open(tmp_path, ids="")
        assert found.vectors.dtype == np.float64
        assert found.vectors[20:][0, 0] == 1 + 1e-12
