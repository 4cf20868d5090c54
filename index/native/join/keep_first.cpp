#include "join/keep_first.hpp"

namespace gleann {

void keep_first(const int32_t* later, const int32_t* earlier, int64_t count,
                bool* kept) {
  for (int64_t i = 0; i < count; ++i) {
    if (kept[earlier[i]]) kept[later[i]] = false;
  }
}

}  // namespace gleann
