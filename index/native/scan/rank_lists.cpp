// The coarse step without a scan: the best lists of queries, best first.
#include <algorithm>
#include <vector>

#include "base/keys.hpp"
#include "base/threads.hpp"
#include "kernels/scan_session.hpp"
#include "scan/engine.hpp"

namespace gleann {
namespace {

constexpr int64_t kQueriesATask = 512;

}  // namespace

void Engine::rank_lists(const float* queries, int64_t nq, int64_t nprobe, int threads,
                        int32_t* list_nos) const {
  const int64_t share = (nq + resolve_threads(threads) - 1) / resolve_threads(threads);
  const int64_t size = std::clamp<int64_t>(share, 1, kQueriesATask);
  parallel_for((nq + size - 1) / size, resolve_threads(threads), [&](int64_t task) {
    const ScanSession session(scan_, directions());
    const int64_t first = task * size;
    const CodedQueries coded =
        coded_queries(queries + first * query_d(), std::min(size, nq - first));
    ListPicker picker = this->picker(nprobe);
    picker.pick(coded, [&](int64_t query, std::vector<uint64_t>& keys) {
      std::sort(keys.begin(), keys.end());
      int32_t* out = list_nos + (first + query) * nprobe;
      std::fill(std::transform(keys.begin(), keys.end(), out, key_row), out + nprobe,
                -1);
    });
  });
}

}  // namespace gleann
