#include "kernels/pack.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/threads.hpp"

namespace gleann {
namespace {

constexpr float kNoEntry = std::numeric_limits<float>::quiet_NaN();

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One entry's row into its lane of a block of float32; a null row leaves NaN there.
void place_row(const float* row, const float* center, int64_t d, float* lane) {
  for (int64_t i = 0; i < d; ++i) {
    lane[i * kBlock] = row == nullptr ? kNoEntry : center ? row[i] - center[i] : row[i];
  }
}

class OneList {
 public:
  explicit OneList(int64_t n) : offsets_{0, n}, rows_(n) {
    std::iota(rows_.begin(), rows_.end(), 0);
  }
  Lists lists() const {
    return Lists{1, offsets_.data(), offsets_.data() + 1, rows_.data(), nullptr};
  }

 private:
  std::array<int64_t, 2> offsets_;
  std::vector<int32_t> rows_;
};

}  // namespace

CodeShape shape_of(int64_t d, const Layout& layout) {
  auto steps = static_cast<int>(ceil_div(d, layout.dims));
  int tile_steps = steps;
  if (layout.max_tile_steps > 0) {
    // Equal tiles need one configuration and pad less than full ones would.
    const int64_t tiles = ceil_div(steps, layout.max_tile_steps);
    tile_steps = static_cast<int>(ceil_div(steps, tiles));
    steps = static_cast<int>(tile_steps * tiles);
  }
  return CodeShape{steps, tile_steps,
                   int64_t{steps} * layout.dims * kBlock * layout.value_bytes,
                   ceil_div(int64_t{steps} * kStepBytes, kCacheLine) * kCacheLine};
}

// The four bytes of a step are copied as one word if they are contiguous, as on all
// tiers with dot products of bytes.
void place_code(const int8_t* code, int64_t d, const Layout& layout, uint8_t* lane) {
  int64_t i = 0;
  if (layout.dims == 4 && layout.dim_stride == 1) {
    const uint32_t flip = layout.flip * 0x01010101u;
    for (; i + 4 <= d; i += 4) {
      uint32_t word;
      std::memcpy(&word, code + i, 4);
      word ^= flip;
      std::memcpy(lane + i * kBlock, &word, 4);
    }
  }
  for (; i < d; ++i) {
    lane[i / layout.dims * layout.dims * kBlock + i % layout.dims * layout.dim_stride] =
        static_cast<uint8_t>(code[i]) ^ layout.flip;
  }
}

PackedLists::PackedLists(const Lists& lists, const RowCodes& codes,
                         const Layout& layout, Packing packing, int threads)
    : shape_(shape_of(codes.d, layout)) {
  place_lists(lists, packing);
  const int64_t blocks = first_slots_[lists.nlist] / kBlock;
  if (packing != Packing::kWithoutCodes) {
    codes_ = make_buffer<uint8_t>(blocks * shape_.block_bytes);
  }
  if (codes.scales) scales_ = make_buffer<float>(blocks * kBlock);
  if (codes.biases) biases_ = make_buffer<float>(blocks * kBlock);
  parallel_for(lists.nlist, threads,
               [&](int64_t j) { pack_list(lists, codes, layout, j); });
}

PackedLists::PackedLists(const RowCodes& codes, const Layout& layout)
    : PackedLists(OneList(codes.n).lists(), codes, layout, Packing::kAligned, 1) {}

void PackedLists::place_lists(const Lists& lists, Packing packing) {
  const auto aligned = [](int64_t slot) { return ceil_div(slot, kBlock) * kBlock; };
  first_slots_.resize(lists.nlist + 1);
  int64_t slot = 0;
  for (int64_t j = 0; j < lists.nlist; ++j) {
    const int64_t entries = lists.offsets[j + 1] - lists.offsets[j];
    const bool fits = slot % kBlock + entries <= kBlock;
    if (packing != Packing::kDense || !fits) slot = aligned(slot);
    first_slots_[j] = slot;
    slot += entries;
  }
  first_slots_[lists.nlist] = aligned(slot);
}

void PackedLists::pack_list(const Lists& lists, const RowCodes& codes,
                            const Layout& layout, int64_t list_no) {
  const int64_t first = first_slots_[list_no];
  const int64_t slots = first_slots_[list_no + 1] - first;
  const int64_t entries = lists.offsets[list_no + 1] - lists.offsets[list_no];
  for (int64_t e = 0; e < slots; ++e) {
    const bool is_entry = e < entries;
    const int64_t row = is_entry ? lists.rows[lists.offsets[list_no] + e] : 0;
    const int64_t at = (first + e) / kBlock * shape_.block_bytes +
                       (first + e) % kBlock * layout.entry_stride;
    uint8_t* lane = codes_ ? codes_.get() + at : nullptr;
    if (codes.rows) {
      place_row(is_entry ? codes.rows + row * codes.d : nullptr, codes.center, codes.d,
                reinterpret_cast<float*>(lane));
    } else {
      if (is_entry && lane) {
        place_code(codes.values + row * codes.d, codes.d, layout, lane);
      }
      scales_[first + e] = is_entry ? codes.scales[row] : kNoEntry;
    }
    if (biases_ && is_entry) biases_[first + e] = codes.biases[row];
  }
}

Panel PackedLists::whole() const {
  Panel all = panel(0, 0);
  all.blocks = slots() / kBlock;
  return all;
}

Panel PackedLists::panel(int64_t list_no, int64_t entries) const {
  const int64_t first = first_slots_[list_no] / kBlock;
  return Panel{codes_ ? codes_.get() + first * shape_.block_bytes : nullptr,
               ceil_div(skip(list_no) + entries, kBlock),
               shape_.block_bytes,
               shape_.steps,
               shape_.tile_steps,
               scales_ ? scales_.get() + first * kBlock : nullptr,
               biases_ ? biases_.get() + first * kBlock : nullptr};
}

PackedCentroids::PackedCentroids(int64_t nlist, int64_t d, const float* centroids,
                                 const float* biases) {
  const int64_t blocks = ceil_div(nlist, kBlock);
  values_ = make_buffer<float>(blocks * kBlock * d);
  biases_ = make_buffer<float>(blocks * kBlock);
  for (int64_t j = 0; j < blocks * kBlock; ++j) {
    biases_[j] = j < nlist ? biases[j] : kNoEntry;
    if (j >= nlist) continue;
    float* block = values_.get() + j / kBlock * kBlock * d + j % kBlock;
    for (int64_t i = 0; i < d; ++i) block[i * kBlock] = centroids[j * d + i];
  }
  panel_ = Panel{reinterpret_cast<const uint8_t*>(values_.get()),
                 blocks,
                 d * kBlock * int64_t{sizeof(float)},
                 static_cast<int>(d),
                 static_cast<int>(d),
                 nullptr,
                 biases_.get()};
}

}  // namespace gleann
