#include "join/list_join.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "base/keys.hpp"
#include "base/threads.hpp"
#include "kernels/scan_session.hpp"

namespace gleann {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNoDistance = std::numeric_limits<float>::quiet_NaN();

// Scores are a few roundings of numbers up to the squared lengths of the points.
constexpr double kRounding = 4e-6;

constexpr int64_t kLeastLists = 4, kFirstLists = 12;  // opened together

// Plain L2 of rows whose distance, rounded to float32, is at most `most`.
double radius_of(Distance distance, float most) {
  const double above = std::nextafter(most, kInfinity);
  const double square = distance == Distance::kHalfSquaredL2 ? 2 * above : above;
  return std::sqrt(square) * (1 + 1e-12);
}

float rounded_down(double x) {
  return std::nextafter(static_cast<float>(x), -kInfinity);
}

std::vector<int32_t> numbers_upto(int64_t count) {
  std::vector<int32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Adds what a point found, nearest to where the lists meet first.
void take(PointGroup& group, int point, std::vector<uint64_t>& keys) {
  uint64_t* const first = group.keys(point);
  uint64_t* const last = first + group.found(point);
  std::sort(first, last);
  keys.insert(keys.end(), first, last);
}

}  // namespace

ListJoin::ListJoin(const JoinSide& x, const JoinSide& y, Distance distance, float most)
    : x_(x),
      y_(y),
      distance_(distance),
      most_(most),
      radius_(radius_of(distance, most)),
      x_margins_(x.margins(y)),
      y_margins_(&x == &y ? std::vector<float>{} : y.margins(x)),
      centroids_(y.scan(), y.arrays().d),
      lists_at_once_(kFirstLists) {
  const CodedPoints& points = y_.arrays().centroids;
  const std::vector<int32_t> all = numbers_upto(y_.nlist());
  centroids_.pack(points, all.data(), y_.nlist(), points.squares);
}

// Few lists at once pack the rows of all others anew for each few.
void ListJoin::choose_lists_at_once() {
  std::size_t keys = 0;
  for (const OpenList& open : open_) keys += open.keys.size();
  for (const NearRows& near : near_y_) keys += near.keys.size();
  const auto held = static_cast<int64_t>(keys * sizeof(uint64_t));
  const int64_t most = y_.arrays().rows.n * y_.arrays().d / 2;
  if (2 * held <= most)
    lists_at_once_ = std::min<int64_t>(2 * lists_at_once_, kMaxGroup);
  if (held > most) lists_at_once_ = std::max<int64_t>(lists_at_once_ / 2, kLeastLists);
}

double ListJoin::slack(int64_t a, int64_t b) const {
  return kRounding * (x_.square(a) + y_.square(b) + x_.arrays().centroids.squares[a] +
                      y_.arrays().centroids.squares[b]);
}

void ListJoin::open(int64_t first, int64_t last) {
  open_.assign(last - first, OpenList{});
  for (int64_t a = first; a < last; ++a) {
    open_[a - first].list = a;
    open_[a - first].next = first_of(open_[a - first]);
  }
  set_limits();
  near_y_.assign(y_.nlist(), NearRows{});
  const int threads = x_.threads();
  parallel_for(last - first, threads, [this](int64_t i) {
    poll();
    find_near_x(open_[i]);
  });
  parallel_for(y_.nlist(), threads, [this](int64_t b) {
    poll();
    find_near_y(b);
  });
  choose_lists_at_once();
}

void ListJoin::set_limits() {
  const CodedPoints& centroids = x_.arrays().centroids;
  const Panel panel = centroids_.panel(y_.nlist());
  const ScanSession session(y_.scan(), panel);
  PointGroup group(x_.scan(), x_.arrays().d);
  group.clear(0);
  for (const OpenList& open : open_) group.add(centroids, open.list, kInfinity);
  const int64_t slots = panel.blocks * kBlock;
  const Buffer<float> scores = make_buffer<float>(kMaxGroup * slots);
  group.score(panel, scores.get());
  limits_.assign(open_.size() * y_.nlist(), -1.0f);
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const int64_t a = open_[i].list;
    for (int64_t b = first_of(open_[i]); b < y_.nlist(); ++b) {
      if (!x_.size(a) || !y_.size(b)) continue;
      const double rounding = slack(a, b);
      const double square = centroids.squares[a] - scores[i * slots + b] + rounding;
      const double apart = std::sqrt(std::max(square, 0.0));
      const double reach = radius_ + x_.error(a) + y_.error(b);
      const double most = 2 * reach * apart + rounding;
      if (a != b || !same()) {
        if (double{x_margin(a, b)} + y_margin(b, a) > most) continue;
        ++work_.list_pairs;
      }
      limits_[i * y_.nlist() + b] = -rounded_down(-most);
    }
  }
}

// Rows of an open list that can be a pair with one of each list of y.
void ListJoin::find_near_x(OpenList& open) const {
  const int64_t i = &open - open_.data(), a = open.list, size = x_.size(a);
  const CodedPoints& centroids = y_.arrays().centroids;
  open.offsets.assign(y_.nlist() + 1, 0);
  if (!size) return;
  RowPanel packed(x_.scan(), x_.arrays().d);
  packed.pack(x_.arrays().rows, x_.members(a), size, x_.own());
  const Panel panel = packed.panel(size);
  const ScanSession session(x_.scan(), panel);
  PointGroup group(x_.scan(), x_.arrays().d);
  std::vector<int64_t> lists;
  const auto search = [&] {
    group.find(panel, x_.members(a), size);
    for (std::size_t q = 0; q < lists.size(); ++q) {
      take(group, static_cast<int>(q), open.keys);
      open.offsets[lists[q] + 1] = group.found(static_cast<int>(q));
    }
    lists.clear();
    group.clear(size);
  };
  group.clear(size);
  for (int64_t b = first_of(open); b < y_.nlist(); ++b) {
    if (limit(i, b) < 0 || (same() && a == b)) continue;
    const double most = double{limit(i, b)} - y_margin(b, a);
    group.add(centroids, b, rounded_down(centroids.squares[b] - most));
    lists.push_back(b);
    if (group.count() == kMaxGroup) search();
  }
  if (group.count()) search();
  for (int64_t b = 0; b < y_.nlist(); ++b) open.offsets[b + 1] += open.offsets[b];
}

// Rows of a list of y that can be a pair with one of each open list.
void ListJoin::find_near_y(int64_t b) {
  NearRows& near = near_y_[b];
  near.offsets.assign(open_.size() + 1, 0);
  const CodedPoints& centroids = x_.arrays().centroids;
  const int64_t size = y_.size(b);
  PointGroup group(y_.scan(), y_.arrays().d);
  group.clear(size);
  std::vector<int64_t> opened;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const int64_t a = open_[i].list;
    if (limit(i, b) < 0 || (same() && a == b)) continue;
    const double most = double{limit(i, b)} - x_margin(a, b);
    group.add(centroids, a, rounded_down(centroids.squares[a] - most));
    opened.push_back(i);
  }
  if (opened.empty()) return;
  RowPanel packed(y_.scan(), y_.arrays().d);
  packed.pack(y_.arrays().rows, y_.members(b), size, y_.own());
  const Panel panel = packed.panel(size);
  const ScanSession session(y_.scan(), panel);
  group.find(panel, y_.members(b), size);
  for (std::size_t q = 0; q < opened.size(); ++q) {
    take(group, static_cast<int>(q), near.keys);
    near.offsets[opened[q] + 1] = group.found(static_cast<int>(q));
  }
  for (std::size_t i = 0; i < open_.size(); ++i) {
    near.offsets[i + 1] += near.offsets[i];
  }
}

// Compares the rows of one open list with those of lists of y. Used by one thread.
class ListJoin::Comparison {
 public:
  Comparison(const ListJoin& join, int64_t i)
      : join_(join),
        i_(i),
        open_(join.open_[i]),
        panel_(join.y_.scan(), join.y_.arrays().d),
        group_(join.x_.scan(), join.x_.arrays().d) {}

  void compare(int64_t b) {
    if (join_.limit(i_, b) < 0) return;
    if (join_.same() && b == open_.list) {
      inside(b);
    } else {
      between(b);
    }
  }

  std::vector<RowPair> pairs;
  JoinWork work;

 private:
  // Pairs of rows of one list.
  void inside(int64_t b) {
    const JoinSide& side = join_.x_;
    const int32_t* rows = side.members(b);
    const int64_t size = side.size(b);
    pack(rows, size);
    for (int64_t first = 0; first < size; first += kMaxGroup) {
      group_.clear(size);
      asked_.clear();
      const int64_t last = std::min<int64_t>(first + kMaxGroup, size);
      for (int64_t i = first; i < last; ++i) ask(rows[i], b);
      find(size, b);
    }
  }

  void between(int64_t b) {
    const NearRows& near = join_.near_y_[b];
    const int64_t begin = open_.offsets[b], end = open_.offsets[b + 1];
    const int64_t from = near.offsets[i_], to = near.offsets[i_ + 1];
    if (begin == end || from == to) return;
    rows_.clear();
    for (int64_t i = from; i < to; ++i) rows_.push_back(key_row(near.keys[i]));
    pack(rows_.data(), to - from);
    const float square_b = join_.y_.arrays().centroids.squares[b];
    const float square_a = join_.x_.arrays().centroids.squares[open_.list];
    int64_t count = to - from;
    for (int64_t first = begin; first < end; first += kMaxGroup) {
      // Rows of x come by rising summand: the first has the least of the group.
      const double left = double{join_.limit(i_, b)} -
                          (double{square_b} - key_score(open_.keys[first]));
      const auto far = [&](int64_t i) {
        return double{square_a} - key_score(near.keys[from + i]) > left;
      };
      while (count > 0 && far(count - 1)) --count;
      if (!count) return;
      group_.clear(count);
      asked_.clear();
      const int64_t last = std::min<int64_t>(first + kMaxGroup, end);
      for (int64_t i = first; i < last; ++i) ask(key_row(open_.keys[i]), b);
      find(count, b);
    }
  }

  void pack(const int32_t* rows, int64_t count) {
    packed_rows_ = rows;
    const CodedPoints& points = join_.y_.arrays().rows;
    panel_.pack(points, rows, count, points.squares);
  }

  void ask(int32_t row, int64_t b) {
    const SideArrays& of_x = join_.x_.arrays();
    const double square = of_x.rows.squares[row];
    const double reach = join_.radius_ + of_x.errors[row] + join_.y_.error(b);
    const double rounding = kRounding * (square + join_.y_.square(b));
    group_.add(of_x.rows, row, rounded_down(square - reach * reach - rounding));
    asked_.push_back(row);
  }

  void find(int64_t count, int64_t b) {
    group_.find(panel_.panel(count), packed_rows_, count);
    work.compared += count * static_cast<int64_t>(asked_.size());
    const bool inside = join_.same() && b == open_.list;
    for (std::size_t q = 0; q < asked_.size(); ++q) {
      measured_.clear();
      const uint64_t* keys = group_.keys(static_cast<int>(q));
      for (int32_t i = 0; i < group_.found(static_cast<int>(q)); ++i) {
        const int32_t row = key_row(keys[i]);
        if (!inside || row > asked_[q]) measured_.push_back(row);
      }
      if (!measured_.empty()) measure(asked_[q]);
    }
  }

  void measure(int32_t x) {
    const SideArrays &of_x = join_.x_.arrays(), &of_y = join_.y_.arrays();
    const auto count = static_cast<int64_t>(measured_.size());
    work.measured += count;
    const bool known = of_x.vectors && of_y.vectors;
    distances_.assign(count, kNoDistance);
    if (known) {
      join_.x_.kernels().distances(of_x.vectors + x * of_x.d, of_y.vectors,
                                   measured_.data(), count, of_x.d, join_.distance_,
                                   distances_.data());
    }
    for (int64_t i = 0; i < count; ++i) {
      if (known && !(distances_[i] <= join_.most_)) continue;
      pairs.push_back(RowPair{x, measured_[i], distances_[i]});
    }
  }

  const ListJoin& join_;
  const int64_t i_;
  const OpenList& open_;
  RowPanel panel_;
  PointGroup group_;
  const int32_t* packed_rows_ = nullptr;
  std::vector<int32_t> rows_;
  std::vector<int32_t> asked_;
  std::vector<int32_t> measured_;
  std::vector<float> distances_;
};

bool ListJoin::next(int64_t room, std::vector<RowPair>& found) {
  std::atomic<int64_t> count{0};
  std::mutex mutex;
  parallel_for(open_.size(), x_.threads(), [&](int64_t i) {
    OpenList& open = open_[i];
    if (open.next == y_.nlist() || !x_.size(open.list)) {
      open.next = y_.nlist();
      return;
    }
    Comparison comparison(*this, i);
    const ScanSession session(x_.scan(), centroids_.panel(1));
    for (; open.next < y_.nlist() && count.load() < room; ++open.next) {
      poll();
      const std::size_t before = comparison.pairs.size();
      comparison.compare(open.next);
      count += comparison.pairs.size() - before;
    }
    const std::lock_guard<std::mutex> hold(mutex);
    found.insert(found.end(), comparison.pairs.begin(), comparison.pairs.end());
    work_.compared += comparison.work.compared;
    work_.measured += comparison.work.measured;
  });
  return std::all_of(open_.begin(), open_.end(),
                     [this](const OpenList& open) { return open.next == y_.nlist(); });
}

}  // namespace gleann
