// Codes and centroids in the layout that the kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"

namespace gleann {

// Inverted lists as index/lists.py lays them out; the arrays belong to the caller.
struct Lists {
  int64_t nlist;
  const int64_t* offsets;
  const int64_t* mids;
  const int32_t* rows;
  const int32_t* others;
};

// int8 codes and their scales; or float32 rows, from which the center is subtracted
// when they are packed.
struct RowCodes {
  int64_t n;
  int64_t d;
  const int8_t* values;  // (n, d), or null
  const float* scales;   // (n), or null
  const float* rows;     // (n, d), or null
  const float* center;   // (d), or null for nothing
  const float* biases;   // (n), or null
};

// The sizes of codes of d dimensions in a layout.
struct CodeShape {
  int steps;
  int tile_steps;
  int64_t block_bytes;
  int64_t query_bytes;  // of one query, padding included
};

CodeShape shape_of(int64_t d, const Layout& layout);

// Copies an int8 code (d) to its lane of a block.
void place_code(const int8_t* code, int64_t d, const Layout& layout, uint8_t* lane);

// Whether each list starts a block, or short ones share blocks, which takes less memory
// where most lists have few entries; or codes are left out, and are in SharedCodes.
enum class Packing { kAligned, kDense, kWithoutCodes };

// The code of every entry's row, list after list.
class PackedLists {
 public:
  PackedLists(const Lists& lists, const RowCodes& codes, const Layout& layout,
              Packing packing, int threads);
  // One list of all rows.
  PackedLists(const RowCodes& codes, const Layout& layout);

  // The list's first `entries` entries.
  Panel panel(int64_t list_no, int64_t entries) const;
  // All lists.
  Panel whole() const;
  int64_t slots() const { return first_slots_.back(); }
  int64_t first_slot(int64_t list_no) const { return first_slots_[list_no]; }
  // Slots of that panel before the list's first entry.
  int32_t skip(int64_t list_no) const {
    return static_cast<int32_t>(first_slots_[list_no] % kBlock);
  }
  // Bytes of one query encoded for these codes, padding included.
  int64_t query_bytes() const { return shape_.query_bytes; }
  int64_t code_bytes() const { return shape_.block_bytes / kBlock; }  // of one entry
  // Memory of the codes, and of scales or biases if there are any.
  int64_t codes_nbytes() const { return codes_ ? slots() * code_bytes() : 0; }
  int64_t scales_nbytes() const { return scales_ ? 4 * slots() : 0; }
  int64_t biases_nbytes() const { return biases_ ? 4 * slots() : 0; }

 private:
  void place_lists(const Lists& lists, Packing packing);
  void pack_list(const Lists& lists, const RowCodes& codes, const Layout& layout,
                 int64_t list_no);

  CodeShape shape_;
  std::vector<int64_t> first_slots_;
  Buffer<uint8_t> codes_;
  Buffer<float> scales_;
  Buffer<float> biases_;
};

// Centroids in the layout of the float32 kernel that assigns rows to lists.
class PackedCentroids {
 public:
  PackedCentroids(int64_t nlist, int64_t d, const float* centroids,
                  const float* biases);

  const Panel& panel() const { return panel_; }

 private:
  Buffer<float> values_;
  Buffer<float> biases_;
  Panel panel_;
};

}  // namespace gleann
