// Exact nearest chosen row of every row, pruned by int8 lower bounds.
//
// Distances are squared L2 in double, summed in one fixed order: the same bits on every
// tier, with every number of threads, and in NumPy (selection/coreset/distance). Most
// are never computed. With y = x - mean written as scale * code + e, the product y.z of
// two rows differs from the product of their codes by at most
// |scale_y code_y| |e_z| + |e_y| |z|, so codes give a lower bound on each distance; the
// exact one is computed only where the bound is below the row's distance so far. A
// centre that the triangle inequality rules out for a group of rows is skipped for all
// of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory.hpp"

namespace gleann {

constexpr int kCoverBlock = 16;  // rows side by side, one per SIMD lane

// The code layout of a tier. One step holds `dims` dimensions of 16 rows, those of one
// row side by side, and 4 bytes of a centre.
struct CoverLayout {
  int dims;      // 4, or 2 with centres widened to int16
  uint8_t flip;  // xor-ed onto each code of a row: 0x80 turns int8 into offset uint8
};

// A centre. Numbers are in units of the largest |y|, rounded so that bounds stay valid.
struct CoverCentre {
  float scale;        // of its codes
  float error;        // |e|
  float length;       // |y|
  float half_square;  // |y|^2 / 2, less the possible rounding error
  int32_t start;      // corrects for the flip of the rows' codes
  int32_t position;   // among all centres so far
  int64_t row;
};

// Some blocks of rows and the centres to compare them with.
struct CoverJob {
  const float* vectors;
  int64_t d;
  int steps;
  int64_t blocks;
  // One per slot, from the first block on.
  const uint8_t* codes;
  const float* scales;
  const float* lengths;  // |code part of y|
  const float* errors;   // |e|
  const float* squares;  // |y|^2
  const int32_t* rows;   // -1 in empty slots
  float* limits;         // (squared distance so far - |y|^2) / 2, plus slack
  // The centres, in the order they were chosen.
  const CoverCentre* centres;
  const uint8_t* centre_codes;  // 4 bytes per step
  const int32_t* which;         // positions in `centres` of those to compare with
  int64_t count;
  double unit;  // of squares: 1 / max |y|^2
  // One per row.
  double* squared;
  int64_t* nearest;
};

// Relative error allowed to the float32 arithmetic of the bound; the real one is less.
constexpr double kCoverSlack = 4e-6;

// A row's limit: only centres whose bound is below it can be nearer than `squared`. The
// last term keeps rows whose squares are 0 in float32.
inline float cover_limit(double squared, double unit, double square) {
  return static_cast<float>((squared * unit * (1 + kCoverSlack) - square) / 2 +
                            kCoverSlack * square + 1e-30);
}

struct CoverKernels {
  const char* name;
  CoverLayout layout;
  void (*cover)(const CoverJob&);
  // Exact squared distances from one row to `count` others.
  void (*squared)(const float* from, const float* vectors, const int64_t* rows,
                  int64_t count, int64_t d, double* out);
};

extern const CoverKernels kPortableCover;
#if defined(__x86_64__)
extern const CoverKernels kAvx2Cover;
extern const CoverKernels kAvx512Cover;
#endif

// The kernels of a tier that this CPU can run; of the best tier if `tier` is empty.
// Throws std::invalid_argument for any other name.
const CoverKernels& choose_cover_kernels(const std::string& tier);

// A matrix with its int8 codes. The vectors are not copied and must outlive it.
class Points {
 public:
  Points(const float* vectors, int64_t n, int64_t d, const std::string& tier,
         int threads);

  const float* vectors() const { return vectors_; }
  int64_t n() const { return n_; }
  int64_t d() const { return d_; }
  int threads() const { return threads_; }
  const CoverKernels& kernels() const { return kernels_; }

  // Fills out (a, b) with exact squared distances.
  void squared(const int64_t* a, int64_t na, const int64_t* b, int64_t nb,
               double* out) const;

 private:
  friend class Covering;
  struct Coded;
  struct Slots;

  void find_mean();
  void find_unit();
  Coded encode(int64_t row, int8_t* codes) const;
  std::shared_ptr<Slots> pack(std::vector<int32_t> rows) const;

  const float* vectors_;
  int64_t n_;
  int64_t d_;
  int threads_;
  const CoverKernels& kernels_;
  int steps_;
  std::vector<double> mean_;
  double unit_ = 1;  // 1 / max |y|
  std::shared_ptr<Slots> slots_;
};

// The centres so far, and the nearest of them to every row.
class Covering {
 public:
  explicit Covering(const Points& points);
  ~Covering();

  // Add centres and update `squared` and `nearest`. Of equally near centres the earlier
  // one is kept.
  void cover(const int64_t* rows, int64_t count);

  const double* squared() const { return squared_.data(); }   // (n), inf before any
  const int64_t* nearest() const { return nearest_.data(); }  // (n), -1 before any
  int64_t pruned() const { return pruned_; }  // (row, centre) pairs skipped unseen

 private:
  struct Segment;
  struct Batch;

  Batch prepare(const int64_t* rows, int64_t count) const;
  int64_t cover_segment(Segment& segment, const Batch& batch);
  bool grouping_pays(const int64_t* rows, int64_t count) const;
  void group();

  const Points& points_;
  std::shared_ptr<Points::Slots> slots_;
  std::vector<float> limits_;
  std::vector<Segment> segments_;
  std::vector<int64_t> centres_;
  std::vector<double> squared_;
  std::vector<int64_t> nearest_;
  int64_t next_look_;
  int64_t pruned_ = 0;
};

}  // namespace gleann
