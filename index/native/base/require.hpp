// The check of an argument: what Python sees as a ValueError.
#pragma once

#include <stdexcept>

namespace gleann {

// Throws std::invalid_argument(what) unless `holds`.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

}  // namespace gleann
