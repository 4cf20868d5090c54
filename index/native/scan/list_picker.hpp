// The coarse step: the lists whose directions score best with a query.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"
#include "scan/coded_queries.hpp"

namespace gleann {

// Selects the best lists of queries. Used by one thread.
class ListPicker {
 public:
  // `directions`: the codes of the directions of `nlist` lists.
  ListPicker(const Kernels& kernels, const ScanKernels& scan, const Panel& directions,
             int64_t nlist, int64_t nprobe);

  // take(query, keys): called with the keys (see base/keys.hpp) of each query's nprobe
  // best lists, or of all if there are fewer, in no order; `keys` may be changed.
  template <class Take>
  void pick(const CodedQueries& queries, const Take& take) {
    for (int64_t first = 0; first < queries.count(); first += chunk_) {
      const int64_t count = std::min(chunk_, queries.count() - first);
      score(queries, first, count);
      for (int64_t q = 0; q < count; ++q) {
        find_best(scores_.get() + q * slots());
        take(first + q, keys_);
      }
    }
  }

 private:
  int64_t slots() const { return directions_.blocks * kBlock; }
  void score(const CodedQueries& queries, int64_t first, int64_t count);
  void find_best(const float* scores);

  const Kernels& kernels_;
  const ScanKernels& scan_;
  const Panel directions_;
  const int64_t nlist_;
  const int64_t nprobe_;
  const int64_t chunk_;  // queries scored together
  int64_t room_ = 0;     // queries that scores_ has room for
  Buffer<float> scores_;
  Buffer<float> greatest_;
  std::vector<int32_t> slots_;
  std::vector<uint64_t> keys_;
};

}  // namespace gleann
