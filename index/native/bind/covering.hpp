// The covering kernels' part of the border to Python.
#pragma once

#include <pybind11/pybind11.h>

namespace gleann {

void bind_covering(pybind11::module_& module);

}  // namespace gleann
