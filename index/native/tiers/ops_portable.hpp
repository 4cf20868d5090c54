// The instructions of the portable tier, in plain C++ for any CPU.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {
namespace {

struct PortableScores {
  float at[kBlock];
};

// Keeps compilers from fusing operations: each must be rounded.
inline void keep_rounded([[maybe_unused]] float (&numbers)[kBlock]) {
#if defined(__FP_FAST_FMAF)
  __asm__("" : "+m"(numbers));
#endif
}

struct PortableBase {
  static constexpr int kBlocks = 1, kSoloBlocks = 1;
  using Scores = PortableScores;

  static uint32_t hits(const Scores& scores, float threshold) {
    uint32_t hits = 0;
    for (int i = 0; i < kBlock; ++i) {
      hits |= static_cast<uint32_t>(scores.at[i] >= threshold) << i;
    }
    return hits;
  }
  static void write_lanes(uint32_t hits, int32_t first, int32_t* out) {
    for (; hits != 0; hits &= hits - 1) *out++ = first + __builtin_ctz(hits);
  }
  static Scores load_scores(const float* scores) {
    Scores loaded;
    __builtin_memcpy(loaded.at, scores, sizeof loaded.at);
    return loaded;
  }
  static void store(const Scores& scores, float* out) {
    __builtin_memcpy(out, scores.at, sizeof scores.at);
  }
};

// int8 codes, two dimensions per step, dimension after dimension.
struct PortableInt : PortableBase {
  static constexpr int kQueries = 3, kCodeStep = 32;
  struct Acc {
    int32_t at[kBlock];
  };
  struct Codes {
    int16_t first[kBlock], second[kBlock];
  };
  struct Query {
    int16_t first, second;
  };

  static Acc start(int32_t value) {
    Acc acc;
    for (int i = 0; i < kBlock; ++i) acc.at[i] = value;
    return acc;
  }
  static Acc sum(const int32_t* sums, int32_t plus) {
    Acc acc;
    for (int i = 0; i < kBlock; ++i) acc.at[i] = sums[i] + plus;
    return acc;
  }
  static Codes load(const uint8_t* bytes) {
    const auto* codes = reinterpret_cast<const int8_t*>(bytes);
    Codes loaded;
    for (int i = 0; i < kBlock; ++i) loaded.first[i] = codes[i];
    for (int i = 0; i < kBlock; ++i) loaded.second[i] = codes[kBlock + i];
    return loaded;
  }
  static Query broadcast(const uint8_t* bytes) {
    Query query;
    __builtin_memcpy(&query, bytes, sizeof query);
    return query;
  }
  // Two products of -127..127 add up to at most 32258, which int16 holds.
  static Acc dot(Acc acc, const Codes& codes, Query query) {
    for (int i = 0; i < kBlock; ++i) {
      const auto sum = static_cast<int16_t>(codes.first[i] * query.first +
                                            codes.second[i] * query.second);
      acc.at[i] += sum;
    }
    return acc;
  }
  static Scores dot_score(const Acc& acc, const float* scales) {
    Scores scores;
    for (int i = 0; i < kBlock; ++i) {
      scores.at[i] = static_cast<float>(acc.at[i]) * scales[i];
    }
    return scores;
  }
  static Scores biased_score(const Acc& acc, const float* scales, const float* biases,
                             float factor) {
    Scores scores;
    for (int i = 0; i < kBlock; ++i) {
      scores.at[i] = static_cast<float>(acc.at[i]) * scales[i] * factor;
    }
    keep_rounded(scores.at);
    for (int i = 0; i < kBlock; ++i) scores.at[i] -= biases[i];
    return scores;
  }
};

// Sums that are rounded at each step, as in NumPy.
struct PortableSums : PortableBase {
  static constexpr int kQueries = 3, kCodeStep = 64;
  struct Acc {
    float at[kBlock];
  };
  using Codes = Acc;
  using Query = float;

  static Acc start(int32_t) { return Acc{}; }
  static Codes load(const uint8_t* bytes) {
    Codes codes;
    __builtin_memcpy(codes.at, bytes, sizeof codes.at);
    return codes;
  }
  static Query broadcast(const uint8_t* bytes) {
    Query query;
    __builtin_memcpy(&query, bytes, sizeof query);
    return query;
  }
  static Scores whole_score(const Acc& acc) {
    Scores scores;
    __builtin_memcpy(scores.at, acc.at, sizeof scores.at);
    return scores;
  }
  static Scores less_score(const Acc& acc, const float* biases) {
    Scores scores;
    for (int i = 0; i < kBlock; ++i) scores.at[i] = acc.at[i] - biases[i];
    return scores;
  }
};

struct PortableDifferences : PortableSums {
  static Acc dot(Acc acc, const Codes& codes, Query query) {
    float squares[kBlock];
    for (int i = 0; i < kBlock; ++i) {
      const float apart = query - codes.at[i];
      squares[i] = apart * apart;
    }
    keep_rounded(squares);
    for (int i = 0; i < kBlock; ++i) acc.at[i] -= squares[i];
    return acc;
  }
};

struct PortableProducts : PortableSums {
  static Acc dot(Acc acc, const Codes& codes, Query query) {
    float products[kBlock];
    for (int i = 0; i < kBlock; ++i) products[i] = codes.at[i] * query;
    keep_rounded(products);
    for (int i = 0; i < kBlock; ++i) acc.at[i] += products[i];
    return acc;
  }
};

struct PortableFloat {
  static constexpr int kBlocks = 1, kQueries = 3, kSoloBlocks = 1, kCodeStep = 64;
  struct Acc {
    float at[kBlock];
  };
  using Codes = Acc;
  using Query = float;
  using Scores = PortableScores;

  static Acc start(int32_t) { return Acc{}; }
  static Codes load(const uint8_t* bytes) {
    Codes codes;
    __builtin_memcpy(codes.at, bytes, sizeof codes.at);
    return codes;
  }
  static Query broadcast(const uint8_t* bytes) {
    Query query;
    __builtin_memcpy(&query, bytes, sizeof query);
    return query;
  }
  static Acc dot(Acc acc, const Codes& codes, Query query) {
    for (int i = 0; i < kBlock; ++i) acc.at[i] += codes.at[i] * query;
    return acc;
  }
  static Scores bias_score(const Acc& acc, const float* biases) {
    Scores scores;
    for (int i = 0; i < kBlock; ++i) scores.at[i] = acc.at[i] + biases[i];
    return scores;
  }
  static void store(const Scores& scores, float* out) {
    __builtin_memcpy(out, scores.at, sizeof scores.at);
  }
};

}  // namespace
}  // namespace gleann
