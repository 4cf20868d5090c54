// Neighbours from candidates read both ways; see index/mutual.py.
#pragma once

#include <cstdint>

namespace gleann {

// What each of n rows found: `width` rows, nearest first, -1 past the last. A row may
// have found itself, and no row found another twice.
struct CandidateTable {
  int64_t n;
  int64_t width;
  const int32_t* rows;     // (n, width)
  const float* distances;  // (n, width)
};

// The k nearest of all that a row pooled and all that pooled it, itself left out: fills
// rows (n, k), -1 past the last, and distances (n, k), +inf past the last. Throws
// std::invalid_argument for a row that does not exist.
void mutual_neighbours(const CandidateTable& candidates, int64_t k, int threads, int32_t* rows,
                       float* distances);

}  // namespace gleann
