// The border to Python of what prepares rows.
#pragma once

#include <pybind11/pybind11.h>

namespace gleann {

void bind_rows(pybind11::module_& module);

}  // namespace gleann
