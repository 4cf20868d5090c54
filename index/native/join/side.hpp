// One side of a join by radius: coded rows in lists. See index/join.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"

namespace gleann {

// int8 codes; the point of a row is scale * code.
struct CodedPoints {
  int64_t n;
  const int8_t* values;  // (n, d)
  const float* scales;   // (n)
  const float* squares;  // (n), squared length of each point
};

struct SideArrays {
  int64_t d;
  CodedPoints rows;
  const float* errors;   // (n), the row is at most this far from its point
  const float* vectors;  // (n, d), or null
  int64_t nlist;
  const int64_t* offsets;  // (nlist + 1)
  const int32_t* members;  // the rows of each list
  CodedPoints centroids;   // (nlist)
};

// How the points of rows (n, d) less the center (d), which may be null, lie to them:
// the squared length of each point, and at least its distance from the row.
void measure_codes(const float* rows, const float* center, const int8_t* values,
                   const float* scales, int64_t n, int64_t d, int threads,
                   float* squares, float* errors);

// Some rows as the kernels read them, in memory that is used again.
class RowPanel {
 public:
  RowPanel(const ScanKernels& scan, int64_t d)
      : layout_(scan.layout), d_(d), shape_(shape_of(d, scan.layout)) {}

  // `biases`: of each row of `points`.
  void pack(const CodedPoints& points, const int32_t* rows, int64_t count,
            const float* biases);
  // The first `count` of them.
  Panel panel(int64_t count) const;

 private:
  const Layout& layout_;
  int64_t d_;
  CodeShape shape_;
  int64_t room_ = 0;  // in blocks
  Buffer<uint8_t> codes_;
  Buffer<float> scales_;
  Buffer<float> biases_;
};

// Up to kMaxGroup points that are compared with the rows of a panel.
class PointGroup {
 public:
  PointGroup(const ScanKernels& scan, int64_t d);

  // Empties it; each point can then find up to `room` rows.
  void clear(int64_t room);
  void add(const CodedPoints& points, int64_t number, float threshold);
  int count() const { return group_.count; }
  // scores[point][slot] = 2 point.row - bias of the row.
  void score(const Panel& panel, float* scores) { scan_.score(panel, group_, scores); }
  // Finds the rows whose score reaches the point's threshold.
  void find(const Panel& panel, const int32_t* rows, int64_t count);
  // The keys (base/keys.hpp) of what a point found, in no order.
  uint64_t* keys(int point) { return keys_.get() + point * room_; }
  int32_t found(int point) const { return sinks_[point].count; }

 private:
  const ScanKernels& scan_;
  int64_t d_;
  int64_t stride_;
  Buffer<uint8_t> codes_;
  Buffer<uint64_t> keys_;
  int64_t held_ = 0;  // room that keys_ has
  int64_t room_ = 0;
  std::vector<Hit> hits_;
  std::vector<Sink> sinks_;
  Group group_{};
};

// Refers to the caller's arrays.
class JoinSide {
 public:
  // Throws std::invalid_argument if the CPU cannot run the tier.
  JoinSide(const SideArrays& arrays, const std::string& tier, int threads);

  const SideArrays& arrays() const { return arrays_; }
  const Kernels& kernels() const { return kernels_; }
  const ScanKernels& scan() const { return kernels_.biased_dots; }
  int threads() const { return threads_; }
  int64_t nlist() const { return arrays_.nlist; }
  const int32_t* members(int64_t list) const {
    return arrays_.members + arrays_.offsets[list];
  }
  int64_t size(int64_t list) const {
    return arrays_.offsets[list + 1] - arrays_.offsets[list];
  }
  // 2 y.o - |o|^2 of each row y and the centroid o of its list. A panel with these as
  // biases scores |c|^2 - (|y - c|^2 - |y - o|^2) for a centroid c.
  const float* own() const { return own_.data(); }
  // The greatest error, and the greatest squared length, of rows of a list.
  double error(int64_t list) const { return errors_[list]; }
  double square(int64_t list) const { return squares_[list]; }

  // The least |y - c|^2 - |y - o|^2 of the rows y of each list, for each centroid c of
  // the other side: (nlist, other.nlist); infinite for an empty list.
  std::vector<float> margins(const JoinSide& other) const;

 private:
  void measure(int64_t list);
  void margins_of(int64_t list, const JoinSide& other, float* out) const;

  SideArrays arrays_;
  const Kernels& kernels_;
  int threads_;
  std::vector<float> own_;
  std::vector<double> errors_;
  std::vector<double> squares_;
};

}  // namespace gleann
