// How many of its best lists a query reads under a filter: the native twin of
// `_first_lists` in index/search/filtered.py, which has the reasons.
#pragma once

#include <cstdint>
#include <vector>

namespace gleann {

struct ListChoice {
  const int64_t* sizes;    // (nlist) entries of each list
  const double* kept;      // (nlist) entries expected to be allowed
  const int64_t* entries;  // (nlist) allowed ones, or null if they were not counted
  double reach;            // share of the entries read without a filter
  double share;            // of the rows of the index that are allowed
  int64_t nprobe;          // lists that would do without the filter
};

// Choose among the keys of a query's best lists, and keep the numbers of those to read
// first, best first, in `list_nos`; lists without allowed entries are left out where
// they are known. `keys` are sorted.
//
// Returns false, and no lists, where these lists do not reach far enough, or where the
// query is beside the allowed rows.
bool choose_lists(const ListChoice& choice, std::vector<uint64_t>& keys,
                  std::vector<int32_t>& list_nos);

}  // namespace gleann
