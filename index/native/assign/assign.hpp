// The primary and the spilled list of every row, by float32 scores.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernels.hpp"
#include "kernels/pack.hpp"

namespace gleann {

enum class SpillRule { kNone, kNaive, kSoar, kAir };

struct Spilling {
  SpillRule rule;
  float lambda;
  float zero;  // rows of a squared residual up to this are not spilled (SOAR, AIR)
};

class Assigner {
 public:
  // Centroids (nlist, d), with biases -|c|^2 / 2. Throws std::invalid_argument where
  // the tier cannot run here.
  Assigner(int64_t nlist, int64_t d, const float* centroids, const float* biases,
           const std::string& tier);

  int64_t d() const { return d_; }

  // Fills primary (n) and secondary (n; -1 where a row is not spilled).
  void assign(const float* vectors, int64_t n, const Spilling& spilling, int threads,
              int32_t* primary, int32_t* secondary) const;
  // The same among `width` lists of each row, `list_nos` (n, width). Throws
  // std::invalid_argument where one does not exist.
  void assign_among(const float* vectors, int64_t n, const int32_t* list_nos,
                    int64_t width, const Spilling& spilling, int threads,
                    int32_t* primary, int32_t* secondary) const;

 private:
  class Chunk;
  class Choice;

  int64_t nlist_;
  int64_t d_;
  const float* centroids_;
  const Kernels& kernels_;
  PackedCentroids packed_;
};

}  // namespace gleann
