#include "scan/newer.hpp"

#include "base/require.hpp"

namespace gleann {
namespace {

const Lists& checked(const Lists& lists, int64_t n, int64_t nlist) {
  require(lists.offsets[0] == 0, "list offsets do not start at 0");
  for (int64_t j = 0; j < lists.nlist; ++j) check_list(lists, j, n, nlist);
  return lists;
}

NewerPart::Spot spot_of(const Lists& lists, const PackedLists& packed,
                        int64_t list_no) {
  const int64_t low = lists.offsets[list_no];
  const int64_t entries = lists.offsets[list_no + 1] - low;
  return {packed.panel(list_no, entries), packed.skip(list_no), low,
          lists.mids[list_no] - low, entries};
}

}  // namespace

std::vector<NewerPart::Spot> spots_of(const Lists& lists, const PackedLists& packed) {
  std::vector<NewerPart::Spot> spots;
  spots.reserve(lists.nlist);
  for (int64_t j = 0; j < lists.nlist; ++j) spots.push_back(spot_of(lists, packed, j));
  return spots;
}

void check_list(const Lists& lists, int64_t list_no, int64_t n, int64_t nlist) {
  const int64_t low = lists.offsets[list_no], high = lists.offsets[list_no + 1];
  const int64_t mid = lists.mids[list_no];
  require(low <= mid && mid <= high, "list offsets do not ascend");
  for (int64_t e = low; e < high; ++e) {
    require(lists.rows[e] >= 0 && lists.rows[e] < n, "an entry's row does not exist");
    require(e < mid || (lists.others[e] >= 0 && lists.others[e] < nlist),
            "a spilled entry has no primary list");
  }
}

NewerPart::NewerPart(const ScanKernels& scan, const Lists& given, const RowCodes& codes,
                     int64_t nlist, int64_t first_row, bool is_flat, int threads)
    : lists(checked(given, codes.n, nlist)),
      first(first_row),
      end(first_row + codes.n),
      flat(is_flat),
      packed(lists, codes, scan.layout, Packing::kDense, threads),
      spots(spots_of(lists, packed)) {
  if (!flat) fill_slots(nlist);
}

void NewerPart::fill_slots(int64_t nlist) {
  slot_rows.assign(packed.slots(), 0);
  slot_others.assign(packed.slots(), static_cast<int32_t>(nlist));
  for (int64_t j = 0; j < nlist; ++j) {
    const Spot& spot = spots[j];
    const int64_t slot = packed.first_slot(j);
    for (int64_t e = 0; e < spot.entries; ++e) {
      slot_rows[slot + e] = lists.rows[spot.first + e];
      if (e >= spot.primaries) slot_others[slot + e] = lists.others[spot.first + e];
    }
  }
}

}  // namespace gleann
