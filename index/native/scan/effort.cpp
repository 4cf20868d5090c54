// Lists of each query by its effort: the first ones, and then as many as it is granted.
#include "scan/effort.hpp"

#include <algorithm>

#include "base/keys.hpp"
#include "scan/query_batch.hpp"

namespace gleann {
namespace {

constexpr uint64_t kNoKey = ~uint64_t{0};  // worse than any; of list -1

}  // namespace

RowLists::RowLists(const Lists& lists, int64_t n) : primary(n, 0), copy(n, 0) {
  for (int64_t j = 0; j < lists.nlist; ++j) {
    for (int64_t e = lists.offsets[j]; e < lists.mids[j]; ++e) {
      primary[lists.rows[e]] = static_cast<int32_t>(j);
      copy[lists.rows[e]] =
          lists.others[e] >= 0 ? lists.others[e] : static_cast<int32_t>(j);
    }
  }
}

// The first lists of each query, best first, and those to choose from.
void QueryBatch::pick_candidates(ListPicker& picker) {
  const int64_t first = job_.effort->first;
  spans_.assign(count_, {0, first});
  earlier_.assign(count_ * words_, 0);
  candidates_.assign(count_ * job_.nprobe, kNoKey);
  depths_.assign(engine_.nlist(), depth_of(first));
  picker.pick(coded_, [&](int64_t query, const std::vector<uint64_t>& keys) {
    uint64_t* out = candidates_.data() + query * job_.nprobe;
    std::copy(keys.begin(), keys.end(), out);
    if (first < job_.nprobe) std::nth_element(out, out + first, out + job_.nprobe);
    std::sort(out, out + first);
    std::transform(out, out + first, picked_.data() + query * job_.nprobe, key_row);
  });
}

void QueryBatch::choose_rest() {
  const Effort& effort = *job_.effort;
  for (int64_t q = 0; q < count_; ++q) {
    const int64_t budget = std::max<int64_t>(effort.budgets[depth(q)], effort.first);
    uint64_t* keys = candidates_.data() + q * job_.nprobe;
    if (budget < job_.nprobe) {
      std::nth_element(keys + effort.first, keys + budget, keys + job_.nprobe);
    }
    std::transform(keys + effort.first, keys + budget,
                   picked_.data() + q * job_.nprobe + effort.first, key_row);
    std::copy_n(probed_.data() + q * words_, words_, earlier_.data() + q * words_);
    spans_[q] = {effort.first, budget};
    mark_probed(q);
  }
}

// The depth of a query after its first lists; see depth_of.
int64_t QueryBatch::depth(int64_t query) {
  const int64_t first = job_.effort->first, rows = job_.effort->deep_rows;
  const int32_t* lists = picked_.data() + query * job_.nprobe;
  for (int64_t rank = 0; rank < first; ++rank) depths_[lists[rank]] = depth_of(rank);
  const Sink& sink = sinks_[query];
  const int64_t found = std::min<int64_t>(sink.count, rows);
  std::nth_element(sink.keys, sink.keys + found, sink.keys + sink.count);
  const RowLists& held = engine_.row_lists();
  int64_t depth = (rows - found) * depth_of(first);
  for (int64_t i = 0; i < found; ++i) {
    const int32_t row = key_row(sink.keys[i]);
    depth += std::min(depths_[held.primary[row]], depths_[held.copy[row]]);
  }
  for (int64_t rank = 0; rank < first; ++rank) depths_[lists[rank]] = depth_of(first);
  return depth;
}

}  // namespace gleann
