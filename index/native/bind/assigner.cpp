// Assigner for Python: checks shapes, keeps arrays alive, releases the GIL.
#include <stdexcept>
#include <string>

#include "assign/assign.hpp"
#include "bind/arrays.hpp"
#include "bind/bindings.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

SpillRule rule_of(const std::string& rule) {
  if (rule == "none") return SpillRule::kNone;
  if (rule == "naive") return SpillRule::kNaive;
  if (rule == "soar") return SpillRule::kSoar;
  if (rule == "air") return SpillRule::kAir;
  throw std::invalid_argument("rule must be none, naive, soar or air, got " + rule);
}

class PyAssigner {
 public:
  PyAssigner(Array<float> centroids, Array<float> biases, const std::string& tier)
      : kept_(centroids), assigner_(make(centroids, biases, tier)) {}

  py::tuple assign(const Array<float>& vectors, const std::string& rule,
                   float spill_lambda, float zero, int threads) const {
    require(vectors.ndim() == 2 && vectors.shape(1) == assigner_.d(),
            "vectors are not (n, d)");
    require_aligned(vectors);
    const Spilling spilling{rule_of(rule), spill_lambda, zero};
    const int64_t n = vectors.shape(0);
    Array<int32_t> primary(n), secondary(n);
    int32_t* first = primary.mutable_data();
    int32_t* second = secondary.mutable_data();
    const float* in = vectors.data();
    {
      const py::gil_scoped_release release;
      assigner_.assign(in, n, spilling, threads, first, second);
    }
    return py::make_tuple(primary, secondary);
  }

  // The same among some lists of each row.
  py::tuple assign_among(const Array<float>& vectors, const Array<int32_t>& list_nos,
                         const std::string& rule, float spill_lambda, float zero,
                         int threads) const {
    require(vectors.ndim() == 2 && vectors.shape(1) == assigner_.d(),
            "vectors are not (n, d)");
    require(list_nos.ndim() == 2 && list_nos.shape(0) == vectors.shape(0) &&
                list_nos.shape(1) >= 1,
            "list_nos are not (n, 1 or more)");
    require_aligned(vectors, list_nos);
    const Spilling spilling{rule_of(rule), spill_lambda, zero};
    const int64_t n = vectors.shape(0);
    Array<int32_t> primary(n), secondary(n);
    int32_t* first = primary.mutable_data();
    int32_t* second = secondary.mutable_data();
    const float* in = vectors.data();
    const int32_t* among = list_nos.data();
    const int64_t width = list_nos.shape(1);
    {
      const py::gil_scoped_release release;
      assigner_.assign_among(in, n, among, width, spilling, threads, first, second);
    }
    return py::make_tuple(primary, secondary);
  }

 private:
  static Assigner make(const Array<float>& centroids, const Array<float>& biases,
                       const std::string& tier) {
    require(centroids.ndim() == 2 && centroids.shape(0) >= 1 && centroids.shape(1) >= 1,
            "centroids are not (nlist, d)");
    require(biases.size() == centroids.shape(0), "biases are not (nlist)");
    require(centroids.shape(0) < kMostRows && centroids.shape(1) <= kMostDims,
            "there are 2**31 lists or more, or more than 65,536 dimensions");
    require_aligned(centroids, biases);
    const py::gil_scoped_release release;
    return Assigner(centroids.shape(0), centroids.shape(1), centroids.data(),
                    biases.data(), tier);
  }

  Array<float> kept_;  // the centroids that the assigner points into
  Assigner assigner_;
};

}  // namespace

void bind_assigner(py::module_& module) {
  py::class_<PyAssigner>(module, "Assigner")
      .def(py::init<Array<float>, Array<float>, const std::string&>(), py::kw_only(),
           py::arg("centroids").noconvert(), py::arg("biases").noconvert(),
           py::arg("tier"))
      .def("assign", &PyAssigner::assign, py::arg("vectors").noconvert(), py::kw_only(),
           py::arg("rule"), py::arg("spill_lambda"), py::arg("zero"),
           py::arg("threads"))
      .def("assign_among", &PyAssigner::assign_among, py::arg("vectors").noconvert(),
           py::arg("list_nos").noconvert(), py::kw_only(), py::arg("rule"),
           py::arg("spill_lambda"), py::arg("zero"), py::arg("threads"));
}

}  // namespace gleann
