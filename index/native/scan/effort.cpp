#include "scan/effort.hpp"

#include "kernels/pack.hpp"

namespace gleann {

RowLists::RowLists(const Lists& lists, int64_t n) : primary(n, 0), copy(n, 0) {
  for (int64_t j = 0; j < lists.nlist; ++j) {
    for (int64_t e = lists.offsets[j]; e < lists.mids[j]; ++e) {
      primary[lists.rows[e]] = static_cast<int32_t>(j);
      copy[lists.rows[e]] =
          lists.others[e] >= 0 ? lists.others[e] : static_cast<int32_t>(j);
    }
  }
}

}  // namespace gleann
