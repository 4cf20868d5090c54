#include "bind/bindings.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <string>

#include "assign/rows.hpp"
#include "base/threads.hpp"
#include "bind/arrays.hpp"
#include "kernels/dispatch.hpp"
#include "scan/projector.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

void require_table(const Array<float>& vectors) {
  require(vectors.ndim() == 2, "vectors are not (n, d)");
  require_aligned(vectors);
}

py::tuple unit(const Array<float>& vectors, const std::string& tier, int threads) {
  require_table(vectors);
  const int64_t n = vectors.shape(0), d = vectors.shape(1);
  Array<float> units({n, d});
  const float* in = vectors.data();
  float* out = units.mutable_data();
  std::vector<int64_t> without;
  {
    const py::gil_scoped_release release;
    without = unit_rows(in, n, d, tier, threads, out);
  }
  return py::make_tuple(units, without);
}

py::tuple quantise(const Array<float>& vectors, const Array<float>& center,
                   const std::string& tier, int threads) {
  require_table(vectors);
  require(center.size() == 0 || center.size() == vectors.shape(1),
          "the center is not (d,)");
  const int64_t n = vectors.shape(0), d = vectors.shape(1);
  Array<int8_t> codes({n, d});
  Array<float> scales(n);
  const float* in = vectors.data();
  const float* shift = center.size() == 0 ? nullptr : center.data();
  int8_t* codes_out = codes.mutable_data();
  float* scales_out = scales.mutable_data();
  {
    const py::gil_scoped_release release;
    quantise_rows(in, shift, n, d, tier, threads, codes_out, scales_out);
  }
  return py::make_tuple(codes, scales);
}

// Rows in the dimensions of projected codes.
Array<float> projected(const Array<float>& vectors, const Array<float>& axes,
                       const Array<float>& center, const std::string& tier,
                       int threads) {
  require_table(vectors);
  require_table(axes);
  require_aligned(center);
  const int64_t n = vectors.shape(0), d = vectors.shape(1), p = axes.shape(0);
  require(p >= 1 && d >= 1 && axes.shape(1) == d, "axes are not (p, d)");
  require(center.size() == 0 || center.size() == d, "the center is not (d,)");
  Array<float> points({n, p});
  const float* shift = center.size() ? center.data() : nullptr;
  const float* lines = axes.data();
  const float* in = vectors.data();
  float* out = points.mutable_data();
  const Kernels& kernels = choose_kernels(tier);
  {
    const py::gil_scoped_release release;
    constexpr int64_t kRowsATask = 4 * kMaxGroup;
    const Projector projector(kernels, lines, shift, p, d);
    parallel_for((n + kRowsATask - 1) / kRowsATask, resolve_threads(threads),
                 [&](int64_t task) {
                   const int64_t first = task * kRowsATask;
                   projector.project(in + first * d, std::min(kRowsATask, n - first),
                                     out + first * p);
                 });
  }
  return points;
}

}  // namespace

void bind_rows(py::module_& module) {
  module.def("unit_rows", unit, py::arg("vectors").noconvert(), py::kw_only(),
             py::arg("tier"), py::arg("threads"));
  module.def("quantise_rows", quantise, py::arg("vectors").noconvert(),
             py::arg("center").noconvert(), py::kw_only(), py::arg("tier"),
             py::arg("threads"));
  module.def("project_rows", projected, py::arg("vectors").noconvert(),
             py::arg("axes").noconvert(), py::arg("center").noconvert(), py::kw_only(),
             py::arg("tier"), py::arg("threads"));
}

}  // namespace gleann
