#include "scan/rank_lists.hpp"

#include "scan/engine.hpp"
#include "base/keys.hpp"
#include "scan/query_batch.hpp"
#include "base/threads.hpp"

namespace gleann {
namespace {

constexpr int64_t kScoreBytes = 256 << 10;  // of a chunk: they stay in the L2 cache
constexpr int64_t kLeastChunk = 6;          // queries in a tile of the AVX kernels
constexpr int64_t kQueriesATask = 512;

int64_t chunk_of(int64_t slots) {
  const int64_t fitting = kScoreBytes / (slots * int64_t{sizeof(float)});
  return std::clamp<int64_t>(fitting, kLeastChunk, kMaxGroup);
}

}  // namespace

ListPicker::ListPicker(const Kernels& kernels, const ScanKernels& scan,
                       const Panel& directions, int64_t nlist, int64_t nprobe)
    : kernels_(kernels),
      scan_(scan),
      directions_(directions),
      nlist_(nlist),
      nprobe_(std::min(nprobe, nlist)),
      chunk_(chunk_of(slots())),
      slots_(slots() + kBlock) {}

void ListPicker::score(const QueryCodes& queries, int64_t first, int64_t count) {
  if (count > room_) {
    room_ = count;
    scores_ = make_buffer<float>(room_ * slots());
  }
  Group group{};
  group.count = static_cast<int>(count);
  group.queries = queries.codes + first * queries.stride;
  group.stride = queries.stride;
  for (int64_t q = 0; q < count; ++q) {
    group.factors[q] = 2.0f * queries.scales[first + q].scale;
    group.starts[q] = queries.scales[first + q].start;
  }
  scan_.score(directions_, group, scores_.get());
}

void ListPicker::find_best(const float* scores) {
  // A few too many are quicker to find, and then to thin out, than the right number.
  const int64_t most = nprobe_ + nprobe_ / 8 + 4;
  const float threshold = kernels_.threshold_for(scores, nlist_, nprobe_, most);
  const int64_t count =
      kernels_.collect(scores, directions_.blocks, threshold, slots_.data());
  keys_.resize(count);
  for (int64_t i = 0; i < count; ++i) keys_[i] = make_key(scores[slots_[i]], slots_[i]);
  if (count > nprobe_) {
    std::nth_element(keys_.begin(), keys_.begin() + nprobe_, keys_.end());
    keys_.resize(nprobe_);
  }
}

void Engine::rank_lists(const float* queries, int64_t nq, int64_t nprobe, int threads,
                        int32_t* list_nos) const {
  const int64_t share = (nq + resolve_threads(threads) - 1) / resolve_threads(threads);
  const int64_t size = std::clamp<int64_t>(share, 1, kQueriesATask);
  parallel_for((nq + size - 1) / size, resolve_threads(threads), [&](int64_t task) {
    const ScanSession session(scan_, directions());
    const int64_t first = task * size;
    const CodedQueries coded(*this, queries + first * d(), std::min(size, nq - first));
    ListPicker picker = this->picker(nprobe);
    picker.pick(coded.view(), [&](int64_t query, std::vector<uint64_t>& keys) {
      std::sort(keys.begin(), keys.end());
      int32_t* out = list_nos + (first + query) * nprobe;
      std::fill(std::transform(keys.begin(), keys.end(), out, key_row), out + nprobe,
                -1);
    });
  });
}

}  // namespace gleann
