#include "scan/list_choice.hpp"

#include <algorithm>

#include "base/keys.hpp"

namespace gleann {
namespace {

// The constants of index/search/filtered.py.
constexpr double kNearlyAll = 0.98;
constexpr double kNoLess = 0.8;
constexpr int64_t kNearest = 4;

// The first lists of a query, and the entries in them.
struct Prefix {
  int64_t read = 0;
  double kept = 0;

  void add(const ListChoice& choice, uint64_t key) {
    const int32_t at = key_row(key);
    read += choice.sizes[at];
    kept += choice.kept[at];
  }
  double share() const {
    return kept / static_cast<double>(std::max<int64_t>(read, 1));
  }
};

Prefix prefix_of(const ListChoice& choice, const std::vector<uint64_t>& keys,
                 int64_t count) {
  Prefix prefix;
  for (int64_t i = 0; i < count; ++i) prefix.add(choice, keys[i]);
  return prefix;
}

// Whether the share around the query, of its first `probed` lists, says that it is
// among the allowed rows.
bool is_among(const ListChoice& choice, const std::vector<uint64_t>& keys,
              const Prefix& all, int64_t probed) {
  const double around = all.share();
  if (around >= kNearlyAll) return true;
  const double nearest =
      prefix_of(choice, keys, std::max<int64_t>(probed / kNearest, 1)).share();
  return nearest >= kNoLess * around && around >= kNoLess * choice.share;
}

}  // namespace

bool choose_lists(const ListChoice& choice, std::vector<uint64_t>& keys,
                  std::vector<int32_t>& list_nos) {
  list_nos.clear();
  std::sort(keys.begin(), keys.end());
  const auto ranked = static_cast<int64_t>(keys.size());
  int64_t probed = std::min(choice.nprobe, ranked);
  Prefix prefix = prefix_of(choice, keys, probed);
  const double enough = choice.reach * static_cast<double>(prefix.read);
  while (static_cast<double>(prefix.read) * prefix.kept < enough * enough) {
    if (probed == ranked) return false;
    prefix.add(choice, keys[probed++]);
  }
  if (!is_among(choice, keys, prefix, probed)) return false;
  for (int64_t i = 0; i < probed; ++i) {
    const int32_t at = key_row(keys[i]);
    if (!choice.entries || choice.entries[at] > 0) list_nos.push_back(at);
  }
  return true;
}

}  // namespace gleann
