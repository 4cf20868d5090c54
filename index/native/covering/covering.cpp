#include "covering/covering.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "base/threads.hpp"
#include "kernels/dispatch.hpp"

namespace gleann {
namespace {

constexpr int64_t kSegmentBlocks = 64;  // 1,024 rows: one task, pruned as a whole
constexpr int64_t kFirstLook = 256;     // centres before grouping is first considered
constexpr int64_t kRowsPerCentre = 16;  // fewer, and groups would be mostly padding
constexpr int64_t kWitnesses = 16;      // centres sampled to see if grouping pays
constexpr double kWorthwhile = 0.25;    // share pruned that pays for repacking
constexpr double kMargin = 1e-6;        // above the rounding error of a distance
constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kAlways = std::numeric_limits<float>::infinity();

float rounded_up(double x) { return static_cast<float>(x * (1 + 1e-6)); }

int64_t blocks_of(int64_t rows) { return (rows + kCoverBlock - 1) / kCoverBlock; }

}  // namespace

const CoverKernels& choose_cover_kernels(const std::string& tier) {
#if defined(__x86_64__)
  // AMX tiles would gain little: few rows share a centre's codes.
  const std::string best = tier.empty() ? runnable_tiers().front() : tier;
  for (const std::string& name : runnable_tiers()) {
    if (name != best) continue;
    if (name == "amx" || name == kAvx512Cover.name) return kAvx512Cover;
    if (name == kAvx2Cover.name) return kAvx2Cover;
  }
#endif
  if (tier.empty() || tier == kPortableCover.name) return kPortableCover;
  throw std::invalid_argument("this CPU cannot run tier '" + tier + "'");
}

// The numbers of a row besides its codes, in units of the largest |y|.
struct Points::Coded {
  float scale;
  float length;  // |scale * codes|
  float error;
  double square;  // |y|^2
};

// Rows in the layout of the kernels, 16 side by side.
struct Points::Slots {
  Buffer<uint8_t> codes;
  std::vector<int32_t> rows;
  std::vector<float> scales, lengths, errors, squares;
};

Points::Points(const float* vectors, int64_t n, int64_t d, const std::string& tier,
               int threads)
    : vectors_(vectors),
      n_(n),
      d_(d),
      threads_(resolve_threads(threads)),
      kernels_(choose_cover_kernels(tier)),
      steps_(static_cast<int>((d + kernels_.layout.dims - 1) / kernels_.layout.dims)) {
  find_mean();
  find_unit();
  std::vector<int32_t> rows(blocks_of(n) * kCoverBlock, -1);
  std::iota(rows.begin(), rows.begin() + n, 0);
  slots_ = pack(std::move(rows));
}

void Points::squared(const int64_t* a, int64_t na, const int64_t* b, int64_t nb,
                     double* out) const {
  for (int64_t i = 0; i < na; ++i) {
    kernels_.squared(vectors_ + a[i] * d_, vectors_, b, nb, d_, out + i * nb);
  }
}

// Any origin gives valid bounds; the mean gives the finest codes.
void Points::find_mean() {
  const int64_t tasks = std::min<int64_t>(n_, 64);
  std::vector<double> sums(tasks * d_, 0.0);
  parallel_for(tasks, threads_, [&](int64_t task) {
    double* sum = sums.data() + task * d_;
    for (int64_t row = n_ * task / tasks; row < n_ * (task + 1) / tasks; ++row) {
      for (int64_t j = 0; j < d_; ++j) sum[j] += vectors_[row * d_ + j];
    }
  });
  mean_.assign(d_, 0.0);
  for (int64_t task = 0; task < tasks; ++task) {
    for (int64_t j = 0; j < d_; ++j) mean_[j] += sums[task * d_ + j];
  }
  for (double& x : mean_) x /= static_cast<double>(n_);
}

void Points::find_unit() {
  const int64_t tasks = std::min<int64_t>(n_, 64);
  std::vector<double> most(tasks, 0.0);
  parallel_for(tasks, threads_, [&](int64_t task) {
    for (int64_t row = n_ * task / tasks; row < n_ * (task + 1) / tasks; ++row) {
      double square = 0;
      for (int64_t j = 0; j < d_; ++j) {
        const double y = vectors_[row * d_ + j] - mean_[j];
        square += y * y;
      }
      most[task] = std::max(most[task], square);
    }
  });
  const double largest = *std::max_element(most.begin(), most.end());
  unit_ = largest > 0 ? 1 / std::sqrt(largest) : 1.0;
}

Points::Coded Points::encode(int64_t row, int8_t* codes) const {
  const float* x = vectors_ + row * d_;
  double peak = 0;
  for (int64_t j = 0; j < d_; ++j) {
    peak = std::max(peak, std::fabs((x[j] - mean_[j]) * unit_));
  }
  const float scale = peak > 0 ? static_cast<float>(peak / 127) : 1.0f;
  const double step = scale > 0 ? scale : 1.0;  // a peak below float32 codes as 0
  double square = 0, length = 0, error = 0;
  for (int64_t j = 0; j < d_; ++j) {
    const double y = (x[j] - mean_[j]) * unit_;
    const double code = std::clamp(std::nearbyint(y / step), -127.0, 127.0);
    const double part = code * static_cast<double>(scale);
    codes[j] = static_cast<int8_t>(code);
    square += y * y;
    length += part * part;
    error += (y - part) * (y - part);
  }
  return Coded{scale, rounded_up(std::sqrt(length)), rounded_up(std::sqrt(error)),
               square};
}

std::shared_ptr<Points::Slots> Points::pack(std::vector<int32_t> rows) const {
  const int64_t slots = static_cast<int64_t>(rows.size());
  const CoverLayout& layout = kernels_.layout;
  const int64_t step_bytes = int64_t{layout.dims} * kCoverBlock;
  auto packed = std::make_shared<Slots>();
  packed->codes = make_buffer<uint8_t>(slots * steps_ * layout.dims);
  for (auto* numbers :
       {&packed->scales, &packed->lengths, &packed->errors, &packed->squares}) {
    numbers->assign(slots, 0.0f);
  }
  parallel_for((slots + 1023) / 1024, threads_, [&](int64_t task) {
    std::vector<int8_t> codes(d_);
    for (int64_t at = task * 1024; at < std::min(slots, (task + 1) * 1024); ++at) {
      if (rows[at] < 0) continue;
      const Coded coded = encode(rows[at], codes.data());
      packed->scales[at] = coded.scale;
      packed->lengths[at] = coded.length;
      packed->errors[at] = coded.error;
      packed->squares[at] = static_cast<float>(coded.square);
      uint8_t* block = packed->codes.get() + at / kCoverBlock * steps_ * step_bytes;
      for (int64_t j = 0; j < d_; ++j) {
        block[j / layout.dims * step_bytes + at % kCoverBlock * layout.dims +
              j % layout.dims] = static_cast<uint8_t>(codes[j]) ^ layout.flip;
      }
    }
  });
  packed->rows = std::move(rows);
  return packed;
}

// Consecutive blocks of rows, the unit of work and of pruning.
struct Covering::Segment {
  int64_t first_block;
  int64_t blocks;
  int64_t pivot;  // position of a centre; -1: no bounds are known
  double radius;  // of its rows around the pivot
  double reach;   // largest distance of one of its rows to its nearest centre
};

// Centres to be added, with their codes.
struct Covering::Batch {
  std::vector<CoverCentre> centres;
  std::vector<uint8_t> codes;
  std::vector<int64_t> pivots;  // positions of the pivots, ascending
  std::vector<double> apart;    // (pivots, centres), their distances
};

Covering::Covering(const Points& points)
    : points_(points),
      slots_(points.slots_),
      limits_(slots_->rows.size(), kNever),
      squared_(points.n(), std::numeric_limits<double>::infinity()),
      nearest_(points.n(), -1),
      next_look_(kFirstLook) {
  std::fill_n(limits_.begin(), points.n(), kAlways);
  const int64_t blocks = static_cast<int64_t>(limits_.size()) / kCoverBlock;
  for (int64_t first = 0; first < blocks; first += kSegmentBlocks) {
    segments_.push_back({first, std::min(kSegmentBlocks, blocks - first), -1, 0, 0});
  }
}

Covering::~Covering() = default;

void Covering::cover(const int64_t* rows, int64_t count) {
  const Batch batch = prepare(rows, count);
  centres_.insert(centres_.end(), rows, rows + count);
  const int64_t tasks = static_cast<int64_t>(segments_.size());
  std::vector<int64_t> skipped(tasks);
  parallel_for(tasks, points_.threads(), [&](int64_t task) {
    skipped[task] = cover_segment(segments_[task], batch);
  });
  pruned_ = std::accumulate(skipped.begin(), skipped.end(), pruned_);
  const int64_t centres = static_cast<int64_t>(centres_.size());
  if (centres < next_look_ || centres * kRowsPerCentre > points_.n()) return;
  next_look_ = 4 * centres;
  if (grouping_pays(rows, count)) group();
}

Covering::Batch Covering::prepare(const int64_t* rows, int64_t count) const {
  Batch batch;
  const int64_t d = points_.d(), bytes = int64_t{points_.steps_} * 4;
  const bool wide = points_.kernels().layout.dims == 2;
  batch.codes.assign(count * bytes, 0);
  std::vector<int8_t> codes(d);
  for (int64_t i = 0; i < count; ++i) {
    const Points::Coded coded = points_.encode(rows[i], codes.data());
    uint8_t* out = batch.codes.data() + i * bytes;
    for (int64_t j = 0; j < d; ++j) {
      const auto code = static_cast<int16_t>(codes[j]);
      std::memcpy(out + (wide ? 2 * j : j), &code, wide ? 2 : 1);
    }
    const int32_t sum = std::accumulate(codes.begin(), codes.end(), 0);
    batch.centres.push_back({coded.scale, coded.error,
                             rounded_up(std::sqrt(coded.square)),
                             static_cast<float>(coded.square * (0.5 - kCoverSlack)),
                             points_.kernels().layout.flip ? -128 * sum : 0,
                             static_cast<int32_t>(centres_.size() + i), rows[i]});
  }
  for (const Segment& segment : segments_) {
    if (segment.pivot < 0) continue;
    if (batch.pivots.empty() || batch.pivots.back() != segment.pivot) {
      batch.pivots.push_back(segment.pivot);
    }
  }
  const int64_t pivots = static_cast<int64_t>(batch.pivots.size());
  batch.apart.resize(pivots * count);
  parallel_for(pivots, points_.threads(), [&](int64_t p) {
    double* apart = batch.apart.data() + p * count;
    points_.squared(&centres_[batch.pivots[p]], 1, rows, count, apart);
    for (int64_t i = 0; i < count; ++i) apart[i] = std::sqrt(apart[i]);
  });
  return batch;
}

// Returns the pairs that the triangle inequality ruled out: a row within `radius` of
// the pivot is at least d(centre, pivot) - radius from a centre.
int64_t Covering::cover_segment(Segment& segment, const Batch& batch) {
  std::vector<int32_t> which;
  const int64_t count = static_cast<int64_t>(batch.centres.size());
  const double* apart = nullptr;
  if (segment.pivot >= 0) {
    const auto place =
        std::lower_bound(batch.pivots.begin(), batch.pivots.end(), segment.pivot);
    apart = batch.apart.data() + (place - batch.pivots.begin()) * count;
  }
  const double out_of_reach = (segment.radius + segment.reach) * (1 + kMargin);
  for (int64_t i = 0; i < count; ++i) {
    if (apart && apart[i] >= out_of_reach) continue;
    which.push_back(static_cast<int32_t>(i));
  }
  const int64_t slot = segment.first_block * kCoverBlock;
  const int64_t slots = segment.blocks * kCoverBlock;
  const int64_t pruned = (count - static_cast<int64_t>(which.size())) * slots;
  if (which.empty()) return pruned;
  points_.kernels().cover({
      points_.vectors(),
      points_.d(),
      points_.steps_,
      segment.blocks,
      slots_->codes.get() + slot * points_.steps_ * points_.kernels().layout.dims,
      slots_->scales.data() + slot,
      slots_->lengths.data() + slot,
      slots_->errors.data() + slot,
      slots_->squares.data() + slot,
      slots_->rows.data() + slot,
      limits_.data() + slot,
      batch.centres.data(),
      batch.codes.data(),
      which.data(),
      static_cast<int64_t>(which.size()),
      points_.unit_ * points_.unit_,
      squared_.data(),
      nearest_.data(),
  });
  if (segment.pivot >= 0) {
    double most = 0;
    for (int64_t at = slot; at < slot + slots; ++at) {
      if (slots_->rows[at] >= 0) most = std::max(most, squared_[slots_->rows[at]]);
    }
    segment.reach = std::sqrt(most);
  }
  return pruned;
}

// Whether groups by nearest centre would save a good part of the pairs, estimated on
// the last centres: a group is skipped if its centre is twice its radius away.
bool Covering::grouping_pays(const int64_t* rows, int64_t count) const {
  std::vector<double> most(centres_.size(), 0.0);
  std::vector<int64_t> sizes(centres_.size(), 0);
  for (int64_t row = 0; row < points_.n(); ++row) {
    most[nearest_[row]] = std::max(most[nearest_[row]], squared_[row]);
    ++sizes[nearest_[row]];
  }
  const int64_t asked = std::min(count, kWitnesses);
  std::vector<double> apart(centres_.size());
  double spared = 0;
  for (int64_t i = count - asked; i < count; ++i) {
    points_.squared(rows + i, 1, centres_.data(), static_cast<int64_t>(apart.size()),
                    apart.data());
    for (size_t c = 0; c < apart.size(); ++c) {
      if (apart[c] >= 4 * most[c]) spared += static_cast<double>(sizes[c]);
    }
  }
  return spared >= kWorthwhile * static_cast<double>(asked * points_.n());
}

// Reorder the rows by nearest centre, nearest first, each group in its own segments.
void Covering::group() {
  std::vector<int32_t> order(points_.n());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    if (nearest_[a] != nearest_[b]) return nearest_[a] < nearest_[b];
    return squared_[a] != squared_[b] ? squared_[a] < squared_[b] : a < b;
  });
  std::vector<int32_t> rows;
  segments_.clear();
  for (size_t first = 0, last; first < order.size(); first = last) {
    const int64_t pivot = nearest_[order[first]];
    const size_t end = std::min(order.size(), first + kSegmentBlocks * kCoverBlock);
    for (last = first; last < end && nearest_[order[last]] == pivot; ++last) {
    }
    const double radius = std::sqrt(squared_[order[last - 1]]);
    const int64_t block = static_cast<int64_t>(rows.size()) / kCoverBlock;
    const int64_t blocks = blocks_of(static_cast<int64_t>(last - first));
    segments_.push_back({block, blocks, pivot, radius, radius});
    rows.insert(rows.end(), order.begin() + first, order.begin() + last);
    rows.resize((block + blocks) * kCoverBlock, -1);
  }
  slots_ = points_.pack(std::move(rows));
  limits_.assign(slots_->rows.size(), kNever);
  for (size_t at = 0; at < limits_.size(); ++at) {
    if (slots_->rows[at] < 0) continue;
    limits_[at] = cover_limit(squared_[slots_->rows[at]], points_.unit_ * points_.unit_,
                              slots_->squares[at]);
  }
}

}  // namespace gleann
