// How many threads there may be, and who hears of long work, for Python.
#pragma once

#include <pybind11/pybind11.h>

namespace gleann {

void bind_threads(pybind11::module_& module);

}  // namespace gleann
