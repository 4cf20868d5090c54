#include "scan/list_picker.hpp"

#include "base/keys.hpp"

namespace gleann {
namespace {

constexpr int64_t kScoreBytes = 256 << 10;  // of a chunk: they stay in the L2 cache
constexpr int64_t kLeastChunk = 6;          // queries in a tile of the AVX kernels

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
      greatest_(make_buffer<float>(slots() / 8 + kBlock)),
      slots_(slots() + kBlock) {}

void ListPicker::score(const CodedQueries& queries, int64_t first, int64_t count) {
  if (count > room_) {
    room_ = count;
    scores_ = make_buffer<float>(room_ * slots());
  }
  Group group{};
  group.count = static_cast<int>(count);
  group.queries = queries.codes(first);
  group.stride = queries.stride();
  for (int64_t q = 0; q < count; ++q) {
    const QueryScale& scale = queries.scale(first + q);
    group.factors[q] = 2.0f * scale.scale;
    group.starts[q] = scale.start;
  }
  scan_.score(directions_, group, scores_.get());
}

void ListPicker::find_best(const float* scores) {
  // A few too many are quicker to find, and then to thin out, than the right number.
  const int64_t most = nprobe_ + nprobe_ / 8 + 4;
  const float threshold =
      kernels_.threshold_for(scores, nlist_, nprobe_, most, greatest_.get());
  const int64_t count =
      kernels_.collect(scores, directions_.blocks, threshold, slots_.data());
  keys_.resize(count);
  for (int64_t i = 0; i < count; ++i) keys_[i] = make_key(scores[slots_[i]], slots_[i]);
  if (count > nprobe_) {
    std::nth_element(keys_.begin(), keys_.begin() + nprobe_, keys_.end());
    keys_.resize(nprobe_);
  }
}

}  // namespace gleann
