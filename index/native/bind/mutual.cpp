#include "bind/bindings.hpp"

#include "bind/arrays.hpp"
#include "graph/mutual.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

py::tuple mutual(const Array<int32_t>& rows, const Array<float>& distances, int64_t k,
                 int threads) {
  require(rows.ndim() == 2 && distances.ndim() == 2 &&
              rows.shape(0) == distances.shape(0) &&
              rows.shape(1) == distances.shape(1),
          "rows and distances are not both (n, width)");
  require(k >= 1, "k is not at least 1");
  require(rows.shape(0) < kMostRows, "there are 2**31 rows or more");
  require_aligned(rows, distances);
  const CandidateTable candidates{rows.shape(0), rows.shape(1), rows.data(),
                                  distances.data()};
  Array<int32_t> near({candidates.n, k});
  Array<float> apart({candidates.n, k});
  int32_t* near_out = near.mutable_data();
  float* apart_out = apart.mutable_data();
  {
    const py::gil_scoped_release release;
    mutual_neighbours(candidates, k, threads, near_out, apart_out);
  }
  return py::make_tuple(near, apart);
}

}  // namespace

void bind_mutual(py::module_& module) {
  module.def("mutual_neighbours", mutual, py::arg("rows").noconvert(),
             py::arg("distances").noconvert(), py::kw_only(), py::arg("k"),
             py::arg("threads"));
}

}  // namespace gleann
