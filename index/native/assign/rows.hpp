// Preparation of the rows of a build: scaling to unit length, quantisation to int8.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gleann {

// Scales `vectors` (n, d) to unit length, into `unit` (n, d). Returns the rows without
// a direction, ascending; their values in `unit` are undefined.
std::vector<int64_t> unit_rows(const float* vectors, int64_t n, int64_t d,
                               const std::string& tier, int threads, float* unit);

// Computes `codes` (n, d) and `scales` (n) of `vectors` less `center` (d), which may be
// null, by the rule of index/codes.py.
void quantise_rows(const float* vectors, const float* center, int64_t n, int64_t d,
                   const std::string& tier, int threads, int8_t* codes, float* scales);

}  // namespace gleann
