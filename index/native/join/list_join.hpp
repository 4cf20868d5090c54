// All pairs within a radius of two sides, or of one side with itself.
//
// For rows x of list A and y of list B with centroids a and b, and any numbers,
//   (|x-b|^2 - |x-a|^2) + (|y-a|^2 - |y-b|^2) = 2 (x-y).(a-b) <= 2 |x-y| |a-b|:
// each summand says how far a row is from where the two lists meet. So only rows that
// are near enough to it are compared, by their codes, and what codes cannot tell apart
// by the rows themselves: no pair is missed, and none is false.
#pragma once

#include <cstdint>
#include <vector>

#include "join/side.hpp"

namespace gleann {

struct RowPair {
  int32_t x;
  int32_t y;
  float distance;  // NaN where a side has no vectors: the pair is a candidate
};

struct JoinWork {
  int64_t list_pairs = 0;  // pairs of lists that meet within the radius
  int64_t compared = 0;    // pairs of rows whose codes were compared
  int64_t measured = 0;    // pairs of rows that the codes did not tell apart
};

class ListJoin {
 public:
  // Refers to the sides. If they are one, each pair of rows is found once. `most`: the
  // greatest distance of a pair.
  ListJoin(const JoinSide& x, const JoinSide& y, Distance distance, float most);

  int64_t nlist() const { return x_.nlist(); }
  // Lists of x to open together next: as many as keep what is held below half of the
  // codes, by what the last ones took.
  int64_t lists_at_once() const { return lists_at_once_; }
  // Finds out which rows lists first..last - 1 of x are to be compared with.
  void open(int64_t first, int64_t last);
  // Adds pairs of the open lists until they are done, or there are `room` or somewhat
  // more; returns whether they are done.
  bool next(int64_t room, std::vector<RowPair>& found);
  JoinWork work() const { return work_; }

 private:
  class Comparison;
  struct OpenList {
    int64_t list;
    std::vector<uint64_t> keys;    // rows of the list near each list of y
    std::vector<int64_t> offsets;  // (y.nlist + 1)
    int64_t next = 0;              // list of y
  };
  struct NearRows {
    std::vector<uint64_t> keys;    // rows of a list of y near each open list
    std::vector<int64_t> offsets;  // (open lists + 1)
  };

  bool same() const { return &x_ == &y_; }
  // Of open list i and list b of y, how far the summands may be apart; negative where
  // no rows can be a pair.
  float limit(int64_t i, int64_t b) const { return limits_[i * y_.nlist() + b]; }
  float x_margin(int64_t a, int64_t b) const { return x_margins_[a * y_.nlist() + b]; }
  float y_margin(int64_t b, int64_t a) const {
    return (same() ? x_margins_ : y_margins_)[b * x_.nlist() + a];
  }
  double slack(int64_t a, int64_t b) const;
  void set_limits();
  void find_near_x(OpenList& open) const;
  void find_near_y(int64_t b);
  void choose_lists_at_once();
  int64_t first_of(const OpenList& open) const { return same() ? open.list : 0; }

  const JoinSide& x_;
  const JoinSide& y_;
  Distance distance_;
  float most_;
  double radius_;  // plain L2
  std::vector<float> x_margins_;
  std::vector<float> y_margins_;  // empty where the sides are one
  RowPanel centroids_;            // of y
  std::vector<float> limits_;
  std::vector<OpenList> open_;
  std::vector<NearRows> near_y_;  // of each list of y
  int64_t lists_at_once_;
  JoinWork work_;
};

}  // namespace gleann
