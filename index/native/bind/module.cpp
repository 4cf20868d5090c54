// The Python module gleann.index._native.
#include <pybind11/stl.h>

#include "bind/bindings.hpp"
#include "kernels/dispatch.hpp"

PYBIND11_MODULE(_native, module) {
  module.doc() = "Native scan kernels; use gleann.index.engines.native.";
  module.def("runnable_tiers", &gleann::runnable_tiers,
             "The tiers this CPU can run, best first.");
  gleann::bind_row_file(module);
  gleann::bind_scanner(module);
  gleann::bind_assigner(module);
  gleann::bind_rows(module);
  gleann::bind_join(module);
  gleann::bind_mutual(module);
  gleann::bind_covering(module);
  gleann::bind_threads(module);
}
