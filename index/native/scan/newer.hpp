// Rows newer than the index, packed to be scanned together with its lists.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"

namespace gleann {

// Consecutive newer rows, each in the lists that it is assigned to; or in one list that
// every query scans. Immutable.
struct NewerPart {
  // `lists`: of rows counted from `first`; as many as the index has, or one if `flat`.
  // Throws std::invalid_argument for references that do not exist.
  NewerPart(const ScanKernels& scan, const Lists& lists, const RowCodes& codes,
            int64_t nlist, int64_t first, bool flat, int threads);

  // Where a list is, in one place: a query reads few entries of each.
  struct Spot {
    Panel panel;        // of all entries
    int32_t skip;       // slots before the first
    int64_t first;      // of its entries, in `lists`
    int64_t primaries;  // entries
    int64_t entries;
  };

  Lists lists;
  int64_t first;  // number of its first row among the newer rows
  int64_t end;    // of its last row, plus 1
  bool flat;
  PackedLists packed;
  std::vector<Spot> spots;  // by list
  // By slot, for a scan of all slots. As other list, a primary entry has `nlist`, which
  // no query probes, and a spilled one its primary list.
  std::vector<int32_t> slot_rows;
  std::vector<int32_t> slot_others;

 private:
  void fill_slots(int64_t nlist);
};

// Where each of the lists is.
std::vector<NewerPart::Spot> spots_of(const Lists& lists, const PackedLists& packed);

using NewerParts = std::vector<const NewerPart*>;

// They are numbered after the rows of the index.
struct NewerRows {
  NewerParts parts;
  int64_t n;
  const float* vectors;         // (n, d)
  const uint8_t* allowed;       // up to the end of every part; or null
  const uint8_t* sealed_alive;  // bit per row of the index; or null
};

// Checks every reference of one list that the scan follows without a check: rows are
// below `n`, primary lists of spilled entries below `nlist`.
void check_list(const Lists& lists, int64_t list_no, int64_t n, int64_t nlist);

}  // namespace gleann
