// Greedy choice among near-duplicates: selection/curation/duplicates.
#pragma once

#include <cstdint>

namespace gleann {

// A row is kept unless an earlier row that is kept is its neighbour. `later` ascends,
// and each is above its `earlier`. `kept` (n): in, which may be kept; out, which are.
void keep_first(const int32_t* later, const int32_t* earlier, int64_t count,
                bool* kept);

}  // namespace gleann
