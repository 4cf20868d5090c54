// The coarse step: float32 scores of all lists, then the best few by a threshold.
//
// The nprobe-th greatest of the maxima of disjoint parts is no greater than the
// nprobe-th greatest of all, so at least nprobe scores reach it; with three parts a
// probe, little more than nprobe do. That costs one pass over the scores and two short
// selections, where a bounded buffer would be cut down again and again.
#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "engine.hpp"
#include "keys.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace gleann {
namespace {

constexpr int64_t kChunk = 24;  // queries scored together: their scores stay in L2
constexpr int64_t kChunksATask = 16;
constexpr int64_t kPartsAProbe = 3;

// Blocks a part, so that there are at least kPartsAProbe parts a probe where possible.
int64_t part_blocks(int64_t blocks, int64_t nprobe) {
  const int64_t strides = (kPartsAProbe * nprobe + kBlock - 1) / kBlock;
  return std::max<int64_t>(blocks / strides, 1);
}

// Picks the best lists of one query after another. Belongs to one thread.
class Picker {
 public:
  Picker(const Kernels& kernels, int64_t blocks, int64_t nprobe)
      : kernels_(kernels),
        blocks_(blocks),
        nprobe_(nprobe),
        stride_(part_blocks(blocks, nprobe)),
        maxima_((blocks + stride_ - 1) / stride_ * kBlock),
        slots_(blocks * kBlock),
        keys_(blocks * kBlock) {}

  void pick(const float* scores, int32_t* list_nos) {
    const int64_t count = kernels_.collect(scores, blocks_, threshold(scores),
                                           slots_.data());
    for (int64_t i = 0; i < count; ++i) {
      keys_[i] = make_key(scores[slots_[i]], slots_[i]);
    }
    const auto end = keys_.begin() + count;
    const auto best = keys_.begin() + std::min(count, nprobe_);
    if (best != end) std::nth_element(keys_.begin(), best, end);
    std::sort(keys_.begin(), best);
    std::transform(keys_.begin(), best, list_nos, key_row);
    std::fill(list_nos + (best - keys_.begin()), list_nos + nprobe_, -1);
  }

 private:
  float threshold(const float* scores) {
    const auto parts = static_cast<int64_t>(maxima_.size());
    if (nprobe_ > parts) return -std::numeric_limits<float>::infinity();
    kernels_.lane_maxima(scores, blocks_, stride_, maxima_.data());
    const auto at = maxima_.begin() + nprobe_ - 1;
    std::nth_element(maxima_.begin(), at, maxima_.end(), std::greater<float>());
    return *at;
  }

  const Kernels& kernels_;
  const int64_t blocks_;
  const int64_t nprobe_;
  const int64_t stride_;
  std::vector<float> maxima_;
  std::vector<int32_t> slots_;
  std::vector<uint64_t> keys_;
};

}  // namespace

void Engine::rank_lists(const float* queries, int64_t nq, int64_t nprobe, int threads,
                        int32_t* list_nos) const {
  const Panel& panel = directions_.panel();
  const int64_t slots = panel.blocks * kBlock;
  // Enough chunks a task to pay for its buffers, enough tasks for all threads.
  const int64_t share = (nq + resolve_threads(threads) - 1) / resolve_threads(threads);
  const int64_t size = std::min(std::max<int64_t>(share, 1), kChunk * kChunksATask);
  parallel_for((nq + size - 1) / size, resolve_threads(threads), [&](int64_t task) {
    const Buffer<float> scores = make_buffer<float>(std::min(size, kChunk) * slots);
    Picker picker(kernels_, panel.blocks, nprobe);
    const int64_t last = std::min(nq, (task + 1) * size);
    for (int64_t first = task * size; first < last; first += kChunk) {
      Group group{};
      group.count = static_cast<int>(std::min(kChunk, last - first));
      group.queries = reinterpret_cast<const uint8_t*>(queries + first * d());
      group.stride = d() * static_cast<int64_t>(sizeof(float));
      kernels_.score(panel, group, scores.get());
      for (int q = 0; q < group.count; ++q) {
        picker.pick(scores.get() + q * slots, list_nos + (first + q) * nprobe);
      }
    }
  });
}

}  // namespace gleann
