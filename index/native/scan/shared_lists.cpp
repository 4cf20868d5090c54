// Lists whose codes are shared by the entries of a row.
#include <algorithm>

#include "scan/query_batch.hpp"

namespace gleann {

int64_t QueryBatch::entries_of(int32_t list_no) const {
  const NewerPart::Spot& spot = engine_.spots_[list_no];
  return job_.primary_only ? spot.primaries : spot.entries;
}

// The blocks of a list, put together for the queries that share it: they last until the
// next list. Null for a query on its own, for which codes are read where they are.
const uint8_t* QueryBatch::take_shared(int32_t list_no, int64_t queries) {
  const Lists& lists = engine_.arrays_.lists;
  const int64_t entries = entries_of(list_no);
  if (entries == 0) return nullptr;
  if (queries == 1) {
    if (pointed_ != list_no) {
      engine_.shared_->point(lists, list_no, entries, pointers_);
      pointed_ = list_no;
    }
    return nullptr;
  }
  const Panel& panel = engine_.spots_[list_no].panel;
  const int64_t bytes = panel.blocks * panel.block_bytes;
  if (bytes > block_room_) {
    block_room_ = bytes + bytes / 4;
    blocks_ = make_buffer<uint8_t>(block_room_);
  }
  engine_.shared_->assemble(lists, list_no, entries, blocks_.get());
  return blocks_.get();
}

// The list that a query on its own reads after the one at hand, -1 for none: it is
// fetched meanwhile.
void QueryBatch::expect_shared(int32_t next) {
  pointers_.swap(next_pointers_);
  pointed_ = next_pointed_;
  next_pointed_ = next;
  next_pointers_.clear();
  if (next < 0) return;
  const int64_t entries = entries_of(next);
  if (entries == 0) return;
  engine_.shared_->point(engine_.arrays_.lists, next, entries, next_pointers_);
}

// What is fetched meanwhile where no next list is known: the same list, further on.
RowPointers QueryBatch::row_pointers() const {
  constexpr int64_t kAhead = 2 * kBlock;
  if (!next_pointers_.empty()) {
    return RowPointers{pointers_.data(), next_pointers_.data(),
                       static_cast<int64_t>(next_pointers_.size())};
  }
  const auto count = static_cast<int64_t>(pointers_.size());
  const int64_t ahead = std::min(kAhead, count);
  return RowPointers{pointers_.data(), pointers_.data() + ahead, count - ahead};
}

// Writes the scores of the group to scores_.
void QueryBatch::score(const Panel& panel) {
  if (panel.codes) {
    engine_.scan_.score(panel, group_, scores_.get());
  } else {
    engine_.scan_.score_rows(row_pointers(), panel, group_, scores_.get());
  }
}

// Scan codes that are not in blocks, for the only query of the group.
void QueryBatch::scan_rows(const Scanned& scanned) {
  make_room(scanned.panel.blocks * kBlock);
  score(scanned.panel);
  engine_.scan_.seed(scores_.get(), scanned.panel.blocks, group_, 0, scanned.entries);
}

void QueryBatch::make_room(int64_t scores) {
  if (scores <= score_room_) return;
  score_room_ = scores;
  scores_ = make_buffer<float>(score_room_);
}

}  // namespace gleann
