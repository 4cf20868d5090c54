// JoinSide, ListJoin and keep_first for Python: checks shapes, keeps arrays alive,
// releases the GIL.
#include <algorithm>
#include <string>

#include "bind/arrays.hpp"
#include "bind/bindings.hpp"
#include "join/keep_first.hpp"
#include "join/list_join.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

CodedPoints coded(const Array<int8_t>& values, const Array<float>& scales,
                  const Array<float>& squares) {
  require(values.ndim() == 2 && values.shape(1) >= 1, "codes are not (n, d)");
  require(values.shape(0) < kMostRows, "there are 2**31 rows or more");
  require(values.shape(1) <= kMostDims, "there are more than 65,536 dimensions");
  require(scales.size() == values.shape(0) && squares.size() == values.shape(0),
          "codes, scales and squares differ in length");
  require_aligned(values, scales, squares);
  return CodedPoints{values.shape(0), values.data(), scales.data(), squares.data()};
}

py::tuple measure(const Array<float>& rows, const Array<float>& center,
                  const Array<int8_t>& codes, const Array<float>& scales, int threads) {
  require(rows.ndim() == 2 && codes.ndim() == 2, "rows and codes are not (n, d)");
  const int64_t n = rows.shape(0), d = rows.shape(1);
  require(codes.shape(0) == n && codes.shape(1) == d && scales.size() == n,
          "rows, codes and scales differ in shape");
  require(center.size() == 0 || center.size() == d, "the center is not (d,)");
  require_aligned(rows, center, codes, scales);
  Array<float> squares(n), errors(n);
  const float *in = rows.data(), *shift = center.size() ? center.data() : nullptr;
  float *squares_out = squares.mutable_data(), *errors_out = errors.mutable_data();
  const int8_t* values = codes.data();
  const float* of_codes = scales.data();
  {
    const py::gil_scoped_release release;
    measure_codes(in, shift, values, of_codes, n, d, threads, squares_out, errors_out);
  }
  return py::make_tuple(squares, errors);
}

class PyJoinSide {
 public:
  PyJoinSide(Array<int8_t> codes, Array<float> scales, Array<float> squares,
             Array<float> errors, Array<float> vectors, Array<int64_t> offsets,
             Array<int32_t> members, Array<int8_t> centroids,
             Array<float> centroid_scales, Array<float> centroid_squares,
             const std::string& tier, int threads)
      : kept_(py::make_tuple(codes, scales, squares, errors, vectors, offsets, members,
                             centroids, centroid_scales, centroid_squares)),
        side_(make(arrays(codes, scales, squares, errors, vectors, offsets, members,
                          coded(centroids, centroid_scales, centroid_squares)),
                   tier, threads)) {}

  const JoinSide& side() const { return side_; }

 private:
  static SideArrays arrays(const Array<int8_t>& codes, const Array<float>& scales,
                           const Array<float>& squares, const Array<float>& errors,
                           const Array<float>& vectors, const Array<int64_t>& offsets,
                           const Array<int32_t>& members,
                           const CodedPoints& centroids) {
    SideArrays to{};
    to.d = codes.ndim() == 2 ? codes.shape(1) : 0;
    to.rows = coded(codes, scales, squares);
    require_aligned(errors, vectors, offsets, members);
    require(errors.size() == to.rows.n, "errors are not (n,)");
    require(vectors.size() == 0 || vectors.size() == to.rows.n * to.d,
            "vectors are not (n, d)");
    require(offsets.size() == centroids.n + 1, "offsets are not (nlist + 1,)");
    to.errors = errors.data();
    to.vectors = vectors.size() ? vectors.data() : nullptr;
    to.nlist = centroids.n;
    to.offsets = offsets.data();
    to.members = members.data();
    to.centroids = centroids;
    const int64_t* at = offsets.data();
    require(at[0] == 0 && at[to.nlist] == members.size() &&
                std::is_sorted(at, at + to.nlist + 1),
            "offsets do not divide the members");
    require(std::all_of(members.data(), members.data() + members.size(),
                        [&](int32_t row) { return row >= 0 && row < to.rows.n; }),
            "a member is not a row");
    return to;
  }

  static JoinSide make(const SideArrays& arrays, const std::string& tier, int threads) {
    const py::gil_scoped_release release;
    return JoinSide(arrays, tier, threads);
  }

  py::tuple kept_;  // the arrays that the side refers to
  JoinSide side_;
};

class PyListJoin {
 public:
  PyListJoin(const PyJoinSide& x, const PyJoinSide& y, const std::string& metric,
             float most)
      : join_(make(x.side(), y.side(), metric, most)) {}

  int64_t nlist() const { return join_.nlist(); }
  int64_t lists_at_once() const { return join_.lists_at_once(); }

  void open(int64_t first, int64_t last) {
    require(0 <= first && first < last && last <= nlist(), "there are no such lists");
    require(last - first <= kMaxGroup, "these are too many lists");
    const py::gil_scoped_release release;
    join_.open(first, last);
  }

  py::tuple next(int64_t room) {
    std::vector<RowPair> found;
    bool done;
    {
      const py::gil_scoped_release release;
      done = join_.next(room, found);
    }
    const auto count = static_cast<int64_t>(found.size());
    Array<int32_t> x(count), y(count);
    Array<float> distances(count);
    for (int64_t i = 0; i < count; ++i) {
      x.mutable_data()[i] = found[i].x;
      y.mutable_data()[i] = found[i].y;
      distances.mutable_data()[i] = found[i].distance;
    }
    return py::make_tuple(done, x, y, distances);
  }

  py::tuple work() const {
    const JoinWork work = join_.work();
    return py::make_tuple(work.list_pairs, work.compared, work.measured);
  }

 private:
  static ListJoin make(const JoinSide& x, const JoinSide& y, const std::string& metric,
                       float most) {
    require(x.arrays().d == y.arrays().d, "the sides differ in dimensions");
    require(metric == "l2" || metric == "cosine", "the metric is not l2 or cosine");
    const auto distance =
        metric == "l2" ? Distance::kSquaredL2 : Distance::kHalfSquaredL2;
    const py::gil_scoped_release release;
    return ListJoin(x, y, distance, most);
  }

  ListJoin join_;
};

Array<bool> keep(const Array<int32_t>& later, const Array<int32_t>& earlier,
                 const Array<bool>& may) {
  const int64_t count = later.size();
  require(earlier.size() == count, "later and earlier differ in length");
  require_aligned(later, earlier);
  const int32_t *of = later.data(), *to = earlier.data();
  require(std::is_sorted(of, of + count), "later does not ascend");
  for (int64_t i = 0; i < count; ++i) {
    require(0 <= to[i] && to[i] < of[i] && of[i] < may.size(),
            "a pair is not of an earlier and a later row");
  }
  Array<bool> kept(may.size(), may.data());
  bool* out = kept.mutable_data();
  const py::gil_scoped_release release;
  keep_first(of, to, count, out);
  return kept;
}

}  // namespace

void bind_join(py::module_& module) {
  py::class_<PyJoinSide>(module, "JoinSide")
      .def(py::init<Array<int8_t>, Array<float>, Array<float>, Array<float>,
                    Array<float>, Array<int64_t>, Array<int32_t>, Array<int8_t>,
                    Array<float>, Array<float>, const std::string&, int>(),
           py::kw_only(), py::arg("codes").noconvert(), py::arg("scales").noconvert(),
           py::arg("squares").noconvert(), py::arg("errors").noconvert(),
           py::arg("vectors").noconvert(), py::arg("offsets").noconvert(),
           py::arg("members").noconvert(), py::arg("centroids").noconvert(),
           py::arg("centroid_scales").noconvert(),
           py::arg("centroid_squares").noconvert(), py::arg("tier"),
           py::arg("threads"));
  py::class_<PyListJoin>(module, "ListJoin")
      .def(py::init<const PyJoinSide&, const PyJoinSide&, const std::string&, float>(),
           py::arg("x"), py::arg("y"), py::kw_only(), py::arg("metric"),
           py::arg("most"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>())
      .def_property_readonly("nlist", &PyListJoin::nlist)
      .def_property_readonly("lists_at_once", &PyListJoin::lists_at_once)
      .def_property_readonly("work", &PyListJoin::work)
      .def("open", &PyListJoin::open, py::arg("first"), py::arg("last"))
      .def("next", &PyListJoin::next, py::arg("room"));
  module.def("measure_codes", measure, py::arg("rows").noconvert(),
             py::arg("center").noconvert(), py::arg("codes").noconvert(),
             py::arg("scales").noconvert(), py::kw_only(), py::arg("threads"));
  module.def("keep_first", keep, py::arg("later").noconvert(),
             py::arg("earlier").noconvert(), py::arg("may").noconvert());
}

}  // namespace gleann
