// What a build does to every row before it lies in a list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gleann {

// `vectors` (n, d) at unit length into `unit`. Returns the rows, ascending, that have
// none, whose place in `unit` is left undefined.
std::vector<int64_t> unit_rows(const float* vectors, int64_t n, int64_t d,
                               const std::string& tier, int threads, float* unit);

// The codes (n, d) and scales (n) of `vectors` less `center` (d), which may be null: the
// rule of index/codes.py.
void quantise_rows(const float* vectors, const float* center, int64_t n, int64_t d,
                   const std::string& tier, int threads, int8_t* codes, float* scales);

}  // namespace gleann
