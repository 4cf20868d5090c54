#include "join/side.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/threads.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/scan_session.hpp"
#include "kernels/sink.hpp"

namespace gleann {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNoEntry = std::numeric_limits<float>::quiet_NaN();

int64_t blocks_of(int64_t count) { return (count + kBlock - 1) / kBlock; }

// Writes a code as a query; returns the initial value of its sums.
int32_t place_query(const int8_t* code, int64_t d, const Layout& layout, uint8_t* out) {
  int32_t sum = 0;
  for (int64_t i = 0; i < d; ++i) sum += code[i];
  if (layout.wide_query) {
    auto* wide = reinterpret_cast<int16_t*>(out);
    for (int64_t i = 0; i < d; ++i) wide[i] = code[i];
  } else {
    std::memcpy(out, code, d);
  }
  // Offset codes add 128 * (sum of the query) to each dot product.
  return layout.flip ? -128 * sum : 0;
}

}  // namespace

void measure_codes(const float* rows, const float* center, const int8_t* values,
                   const float* scales, int64_t n, int64_t d, int threads,
                   float* squares, float* errors) {
  constexpr int64_t kRowsATask = 1024;
  constexpr double kUp = 1 + 1e-6;  // above the rounding of the sums and to float32
  for_rows(n, kRowsATask, threads, [&](int64_t row) {
    const float* x = rows + row * d;
    const int8_t* code = values + row * d;
    const double scale = scales[row];
    double off = 0;
    int64_t square = 0;
    for (int64_t i = 0; i < d; ++i) {
      const double from = center ? double{x[i]} - center[i] : x[i];
      const double apart = from - scale * code[i];
      off += apart * apart;
      square += int32_t{code[i]} * code[i];
    }
    squares[row] = static_cast<float>(scale * scale * static_cast<double>(square));
    errors[row] = static_cast<float>(std::sqrt(off) * kUp);
  });
}

void RowPanel::pack(const CodedPoints& points, const int32_t* rows, int64_t count,
                    const float* biases) {
  const int64_t blocks = blocks_of(count);
  if (blocks > room_) {
    room_ = blocks + blocks / 4;
    codes_ = make_buffer<uint8_t>(room_ * shape_.block_bytes);
    scales_ = make_buffer<float>(room_ * kBlock);
    biases_ = make_buffer<float>(room_ * kBlock);
  }
  constexpr int64_t kAhead = 8;
  for (int64_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      const int8_t* next = points.values + rows[i + kAhead] * d_;
      for (int64_t at = 0; at < d_; at += kCacheLine) __builtin_prefetch(next + at);
    }
    const int64_t row = rows[i];
    place_code(points.values + row * d_, d_, layout_,
               codes_.get() + i / kBlock * shape_.block_bytes +
                   i % kBlock * layout_.entry_stride);
    scales_[i] = points.scales[row];
    biases_[i] = biases[row];
  }
  std::fill(scales_.get() + count, scales_.get() + blocks * kBlock, kNoEntry);
}

Panel RowPanel::panel(int64_t count) const {
  return Panel{codes_.get(),      blocks_of(count), shape_.block_bytes, shape_.steps,
               shape_.tile_steps, scales_.get(),    biases_.get()};
}

PointGroup::PointGroup(const ScanKernels& scan, int64_t d)
    : scan_(scan),
      d_(d),
      stride_(shape_of(d, scan.layout).query_bytes),
      // Kernels on tiles read whole tiles, of which kMaxGroup is a multiple.
      codes_(make_buffer<uint8_t>(kMaxGroup * stride_)),
      hits_(kMostHits),
      sinks_(kMaxGroup) {
  group_.queries = codes_.get();
  group_.stride = stride_;
  group_.hits = hits_.data();
  for (int q = 0; q < kMaxGroup; ++q) group_.sinks[q] = &sinks_[q];
}

void PointGroup::clear(int64_t room) {
  group_.count = 0;
  group_.hit_count = 0;
  room_ = room + 1;  // a full sink would be thinned
  if (room_ > held_) {
    held_ = room_ + room_ / 4;
    keys_ = make_buffer<uint64_t>(kMaxGroup * held_);
  }
}

void PointGroup::add(const CodedPoints& points, int64_t number, float threshold) {
  const int q = group_.count++;
  group_.starts[q] = place_query(points.values + number * d_, d_, scan_.layout,
                                 codes_.get() + q * stride_);
  group_.factors[q] = 2 * points.scales[number];
  group_.thresholds[q] = threshold;
  const auto most = static_cast<int32_t>(room_);
  sinks_[q] = make_sink(keys(q), most, most, nullptr);
}

void PointGroup::find(const Panel& panel, const int32_t* rows, int64_t count) {
  Entries entries{};
  entries.rows = rows;
  entries.primaries = count;
  entries.count = count;
  scan_.scan(panel, group_, entries);
}

JoinSide::JoinSide(const SideArrays& arrays, const std::string& tier, int threads)
    : arrays_(arrays),
      kernels_(choose_kernels(tier)),
      threads_(resolve_threads(threads)),
      own_(arrays.rows.n),
      errors_(arrays.nlist),
      squares_(arrays.nlist) {
  parallel_for(nlist(), threads_, [this](int64_t list) { measure(list); });
}

void JoinSide::measure(int64_t list) {
  const CodedPoints& rows = arrays_.rows;
  const int64_t d = arrays_.d;
  const int8_t* centroid = arrays_.centroids.values + list * d;
  const double twice = 2.0 * arrays_.centroids.scales[list];
  for (int64_t i = 0; i < size(list); ++i) {
    const int64_t row = members(list)[i];
    const int8_t* code = rows.values + row * d;
    int32_t dot = 0;
    for (int64_t j = 0; j < d; ++j) dot += code[j] * centroid[j];
    own_[row] = static_cast<float>(twice * rows.scales[row] * dot -
                                   arrays_.centroids.squares[list]);
    errors_[list] = std::max(errors_[list], double{arrays_.errors[row]});
    squares_[list] = std::max(squares_[list], double{rows.squares[row]});
  }
}

std::vector<float> JoinSide::margins(const JoinSide& other) const {
  std::vector<float> least(nlist() * other.nlist(), kInfinity);
  parallel_for(nlist(), threads_, [&](int64_t list) {
    poll();
    if (size(list)) margins_of(list, other, least.data() + list * other.nlist());
  });
  return least;
}

void JoinSide::margins_of(int64_t list, const JoinSide& other, float* out) const {
  RowPanel packed(scan(), arrays_.d);
  packed.pack(arrays_.rows, members(list), size(list), own());
  const Panel panel = packed.panel(size(list));
  const ScanSession session(scan(), panel);
  const CodedPoints& centroids = other.arrays_.centroids;
  PointGroup group(scan(), arrays_.d);
  const int64_t slots = panel.blocks * kBlock;
  const Buffer<float> scores = make_buffer<float>(kMaxGroup * slots);
  for (int64_t first = 0; first < other.nlist(); first += kMaxGroup) {
    const int64_t last = std::min(first + kMaxGroup, other.nlist());
    group.clear(0);
    for (int64_t c = first; c < last; ++c) group.add(centroids, c, kInfinity);
    group.score(panel, scores.get());
    for (int64_t c = first; c < last; ++c) {
      const float* of = scores.get() + (c - first) * slots;
      const float best = *std::max_element(of, of + size(list));
      out[c] = centroids.squares[c] - best;
    }
  }
}

}  // namespace gleann
