// Neighbours of a self-join, by candidates in both directions: index/graph/mutual.py.
#pragma once

#include <cstdint>

namespace gleann {

// The candidates of each of n rows: up to `width` rows, nearest first, -1 past the
// last. A row may be its own candidate; no row has a candidate twice.
struct CandidateTable {
  int64_t n;
  int64_t width;
  const int32_t* rows;     // (n, width)
  const float* distances;  // (n, width)
};

// The k nearest among a row's candidates and the rows it is a candidate of, the row
// itself excluded: fills rows (n, k), -1 past the last, and distances (n, k), +inf past
// the last. Throws std::invalid_argument for a row that does not exist.
void mutual_neighbours(const CandidateTable& candidates, int64_t k, int threads,
                       int32_t* rows, float* distances);

}  // namespace gleann
