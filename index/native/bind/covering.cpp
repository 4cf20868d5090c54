// Points and Covering for Python: checks shapes, keeps arrays alive, releases the GIL.
#include "bind/bindings.hpp"

#include <algorithm>
#include <string>

#include "bind/arrays.hpp"
#include "covering/covering.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

class PyPoints {
 public:
  PyPoints(Array<float> vectors, const std::string& tier, int threads)
      : kept_(vectors), points_(make(vectors, tier, threads)) {}

  std::string tier() const { return points_.kernels().name; }
  const Points& points() const { return points_; }

  void check(const Array<int64_t>& rows) const {
    require(rows.ndim() == 1, "rows are not (m,)");
    require_aligned(rows);
    const int64_t* in = rows.data();
    require(std::all_of(in, in + rows.size(),
                        [this](int64_t row) { return row >= 0 && row < points_.n(); }),
            "a row is not in 0..n - 1");
  }

  Array<double> squared(const Array<int64_t>& a, const Array<int64_t>& b) const {
    check(a);
    check(b);
    const int64_t na = a.size(), nb = b.size();
    Array<double> out({na, nb});
    double* to = out.mutable_data();
    const int64_t *from_a = a.data(), *from_b = b.data();
    const py::gil_scoped_release release;
    points_.squared(from_a, na, from_b, nb, to);
    return out;
  }

 private:
  static Points make(const Array<float>& vectors, const std::string& tier,
                     int threads) {
    require(vectors.ndim() == 2 && vectors.size() > 0, "vectors are not (n, d)");
    require(vectors.shape(0) < kMostRows, "there are 2**31 rows or more");
    require(vectors.shape(1) <= kMostDims, "there are more than 65,536 dimensions");
    require_aligned(vectors);
    const py::gil_scoped_release release;
    return Points(vectors.data(), vectors.shape(0), vectors.shape(1), tier, threads);
  }

  Array<float> kept_;  // the vectors that the points refer to
  Points points_;
};

class PyCovering {
 public:
  explicit PyCovering(const PyPoints& points)
      : points_(points), covering_(make(points.points())) {}

  void cover(const Array<int64_t>& rows) {
    points_.check(rows);
    const int64_t *in = rows.data(), count = rows.size();
    const py::gil_scoped_release release;
    covering_.cover(in, count);
  }

  Array<double> squared() const {
    return Array<double>(points_.points().n(), covering_.squared());
  }
  Array<int64_t> nearest() const {
    return Array<int64_t>(points_.points().n(), covering_.nearest());
  }
  int64_t pruned() const { return covering_.pruned(); }

 private:
  static Covering make(const Points& points) {
    const py::gil_scoped_release release;
    return Covering(points);
  }

  const PyPoints& points_;
  Covering covering_;
};

}  // namespace

void bind_covering(py::module_& module) {
  py::class_<PyPoints>(module, "Points")
      .def(py::init<Array<float>, const std::string&, int>(),
           py::arg("vectors").noconvert(), py::kw_only(), py::arg("tier"),
           py::arg("threads"))
      .def_property_readonly("tier", &PyPoints::tier)
      .def("squared", &PyPoints::squared, py::arg("a").noconvert(),
           py::arg("b").noconvert());
  py::class_<PyCovering>(module, "Covering")
      .def(py::init<const PyPoints&>(), py::arg("points"), py::keep_alive<1, 2>())
      .def("cover", &PyCovering::cover, py::arg("rows").noconvert())
      .def_property_readonly("squared", &PyCovering::squared)
      .def_property_readonly("nearest", &PyCovering::nearest)
      .def_property_readonly("pruned", &PyCovering::pruned);
}

}  // namespace gleann
