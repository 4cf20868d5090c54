// How many of its best lists a query scans, by where it found its best rows so far: the
// native twin of index/operating/effort.py, which has the reasons.
#pragma once

#include <cstdint>
#include <vector>

namespace gleann {

struct Lists;

struct Effort {
  int64_t deep_rows;  // best rows of a query, whose depths are summed
  int64_t first;      // lists that every query scans, before the others are chosen
  // (deep_rows * depth_of(first) + 1), lists in total by the depth.
  const int32_t* budgets;
};

// How deep a list of some rank, from 0 on, is: the bit length of the rank. The depth of
// a query is the sum over its best rows, and rows that are lacking count as those of
// the rank behind the last.
constexpr uint8_t depth_of(int64_t rank) {
  uint8_t bits = 0;
  for (; rank > 0; rank >>= 1) ++bits;
  return bits;
}

// The lists that hold each row.
struct RowLists {
  RowLists(const Lists& lists, int64_t n);

  int64_t nbytes() const {
    return static_cast<int64_t>((primary.size() + copy.size()) * sizeof(int32_t));
  }

  std::vector<int32_t> primary;
  std::vector<int32_t> copy;  // that of the primary where there is no other
};

}  // namespace gleann
