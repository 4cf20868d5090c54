// The rows that are re-ranked, in the form in which they are kept.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "base/row_file.hpp"
#include "kernels/kernels.hpp"

namespace gleann {

// One of three forms; the pointers of the others are null.
struct KeptRows {
  const float* floats;     // (n, d)
  const uint16_t* halves;  // (n, d)
  Half half;
  const RowFile* file;
};

// The rows of a file that some queries re-rank: read together, each once.
class FileRows {
 public:
  explicit FileRows(const RowFile& file) : file_(file) {}

  void clear() { rows_.clear(); }
  void want(int32_t row) { rows_.push_back(row); }
  // Whether reading what is wanted takes as much memory as it may.
  bool is_full() const;
  void read();

  // Replaces rows (count), all of them read, by their places.
  void place(int32_t* rows, int64_t count) const;
  const float* vectors() const { return vectors_.get(); }

 private:
  const RowFile& file_;
  std::vector<int32_t> rows_;  // after `read`: ascending
  Buffer<float> vectors_;
  std::size_t room_ = 0;  // of vectors_, in rows
};

}  // namespace gleann
