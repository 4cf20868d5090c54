// int8 codes that the two entries of a row share.
#pragma once

#include <cstdint>
#include <vector>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"

namespace gleann {

// Each row's code once, in the order of primary entries, dimension after dimension; the
// blocks that kernels read are made of them list by list.
class SharedCodes {
 public:
  // `row_bytes`: of a code with its padding, as the layout has it. Throws
  // std::invalid_argument if a row is spilled and not primary.
  SharedCodes(const Lists& lists, const RowCodes& codes, const Layout& layout,
              int64_t row_bytes, int threads);

  // Writes the blocks of a list's first `entries` entries.
  void assemble(const Lists& lists, int64_t list_no, int64_t entries,
                uint8_t* blocks) const;
  // The codes of a list's first `entries` entries; the last one again up to a whole
  // block.
  void point(const Lists& lists, int64_t list_no, int64_t entries,
             std::vector<const uint8_t*>& codes) const;
  int64_t nbytes() const;

 private:
  void place_rows(const Lists& lists, int64_t n);
  const uint8_t* code(const Lists& lists, int64_t list_no, int64_t entry) const;

  Layout layout_;
  int64_t row_bytes_;
  std::vector<int64_t> primaries_;  // (nlist), primary entries of the lists before
  std::vector<int32_t> places_;     // of spilled entries, in their order
  Buffer<uint8_t> codes_;
  int64_t rows_ = 0;
};

}  // namespace gleann
