// The tiers that this CPU can run, and their kernels.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernels.hpp"

namespace gleann {

// Best first; "portable" is always last.
std::vector<std::string> runnable_tiers();

// The kernels of a runnable tier or of "amx-emulated"; of the best tier if `tier` is
// empty. Throws std::invalid_argument for any other name.
const Kernels& choose_kernels(const std::string& tier);

}  // namespace gleann
