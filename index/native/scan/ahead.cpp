// What a query on its own has fetched before it reads it.
#include <algorithm>

#include "base/keys.hpp"
#include "scan/query_batch.hpp"

namespace gleann {
namespace {

constexpr int64_t kNewerBytes = 4 << 10;  // of newer rows of a list
constexpr int32_t kRowsAhead = 64;        // rows to re-rank

// A panel of newer rows is short: all of it may be new to the cache.
void prefetch(const Panel& panel) {
  const int64_t bytes = std::min(kNewerBytes, panel.blocks * panel.block_bytes);
  for (int64_t at = 0; at < bytes; at += kCacheLine) {
    __builtin_prefetch(panel.codes + at);
  }
  __builtin_prefetch(panel.scales);
  __builtin_prefetch(panel.biases);
}

void prefetch(const NewerPart::Spot& spot) {
  const auto* bytes = reinterpret_cast<const char*>(&spot);
  __builtin_prefetch(bytes);
  __builtin_prefetch(bytes + sizeof spot - 1);
}

}  // namespace

void QueryBatch::expect(int32_t next, int32_t after_next) {
  group_.alone = &alone_;
  const Panel panel = next < 0 ? Panel{} : engine_.spots_[next].panel;
  const bool packed = !engine_.shared_;
  alone_.at = packed ? panel.codes : nullptr;
  alone_.end = packed ? panel.codes + panel.blocks * panel.block_bytes : nullptr;
  alone_.blocks = panel.blocks;
  alone_.scales = panel.scales;
  alone_.biases = panel.biases;
  if (!packed) expect_shared(next);
  if (next < 0) return prefetch_rows();
  if (after_next >= 0) prefetch(engine_.spots_[after_next]);
  for (const NewerPart* part : parts()) {
    if (!part->flat) prefetch(part->spots[next].panel);
  }
}

void QueryBatch::finish_alone() {
  if (group_.alone) engine_.scan_.admit(group_);
  group_.alone = nullptr;
}

// Most of the best rows so far are there in the end: they are fetched during the last
// list.
void QueryBatch::prefetch_rows() const {
  constexpr int kRead = 0, kToL2 = 2;
  const int64_t row_bytes = engine_.vector_d() * int64_t{sizeof(float)};
  const auto* rows = reinterpret_cast<const char*>(engine_.arrays_.vectors.floats);
  if (rows == nullptr) return;
  const Sink& sink = sinks_[0];
  for (int32_t i = 0; i < std::min(sink.count, kRowsAhead); ++i) {
    const int64_t row = key_row(sink.keys[i]);
    if (row >= engine_.n()) continue;
    for (int64_t at = 0; at < row_bytes; at += kCacheLine) {
      __builtin_prefetch(rows + row * row_bytes + at, kRead, kToL2);
    }
  }
}

}  // namespace gleann
