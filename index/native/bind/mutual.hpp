// The mutual kernel's part of the border to Python.
#pragma once

#include <pybind11/pybind11.h>

namespace gleann {

void bind_mutual(pybind11::module_& module);

}  // namespace gleann
