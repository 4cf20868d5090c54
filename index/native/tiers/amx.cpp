// The AMX tier: int8 tiles, scores with AVX-512.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header starts some intrinsics from a register it leaves undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/kernels.hpp"

#define GLEANN_TARGET                                                         \
  "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,bmi,f16c,amx-tile," \
  "amx-int8"
#define GLEANN_HAS_F16C
#include "tiers/target_begin.hpp"

#include "tiers/assign_tile.hpp"
#include "tiers/ops_avx512.hpp"
#include "tiers/row_dots.hpp"
#include "tiers/scan_tiles.hpp"
#include "tiers/tile.hpp"
#include "tiers/vectors.hpp"

namespace gleann {
namespace {

// The intrinsics are macros that paste the tile's number into assembly (GCC): it must
// be written out.
struct AmxTiles {
  template <int T>
  static void zero() {
    static_assert(T < 4, "tiles 0..3 hold sums");
    if constexpr (T == 0) _tile_zero(0);
    if constexpr (T == 1) _tile_zero(1);
    if constexpr (T == 2) _tile_zero(2);
    if constexpr (T == 3) _tile_zero(3);
  }
  template <int T>
  static void load(const uint8_t* bytes, int64_t stride) {
    static_assert(4 <= T && T < 8, "tiles 4..7 hold codes");
    if constexpr (T == 4) _tile_loadd(4, bytes, stride);
    if constexpr (T == 5) _tile_loadd(5, bytes, stride);
    if constexpr (T == 6) _tile_loadd(6, bytes, stride);
    if constexpr (T == 7) _tile_loadd(7, bytes, stride);
  }
  template <int C, int A, int B>
  static void dot() {
    static_assert(A == 4 + C / 2 && B == 6 + C % 2, "sums are [query tile][block]");
    if constexpr (C == 0) _tile_dpbsud(0, 4, 6);
    if constexpr (C == 1) _tile_dpbsud(1, 4, 7);
    if constexpr (C == 2) _tile_dpbsud(2, 5, 6);
    if constexpr (C == 3) _tile_dpbsud(3, 5, 7);
  }
  template <int T>
  static void store(int32_t* sums) {
    static_assert(T < 4, "tiles 0..3 hold sums");
    if constexpr (T == 0) _tile_stored(0, sums, kStepCodes);
    if constexpr (T == 1) _tile_stored(1, sums, kStepCodes);
    if constexpr (T == 2) _tile_stored(2, sums, kStepCodes);
    if constexpr (T == 3) _tile_stored(3, sums, kStepCodes);
  }
};

// The memory format of LDTILECFG, palette 1.
struct alignas(64) TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

void enter(const Panel& panel) {
  TileConfig config = {};
  config.palette = 1;
  for (int t = 0; t < 8; ++t) {
    const bool queries = t == 4 || t == 5, codes = t >= 6;
    config.row_bytes[t] =
        static_cast<uint16_t>(queries ? panel.tile_steps * kStepBytes : kStepCodes);
    config.rows[t] = static_cast<uint8_t>(codes ? panel.tile_steps : kTileRows);
  }
  _tile_loadconfig(&config);
}

void leave() { _tile_release(); }

// A tile of one or two queries is mostly empty; the vector kernel reads the same codes.
template <Scoring S>
void scan_any(const Panel& panel, Group& group, const Entries& entries) {
  if (group.count <= 3) {
    scan<Avx512Int, S>(panel, group, entries);
  } else {
    scan_tiles<AmxTiles, Avx512Int, S>(panel, group, entries);
  }
}

template <Scoring S>
void score_any(const Panel& panel, const Group& group, float* scores) {
  if (group.count <= 3) {
    score<Avx512Int, S>(panel, group, scores);
  } else {
    score_tiles<AmxTiles, Avx512Int, S>(panel, group, scores);
  }
}

template <Scoring S>
constexpr ScanKernels tile_kernels() {
  return ScanKernels{Layout{4, 4, 1, 0x80, 16, false, 1},
                     quantise,
                     scan_any<S>,
                     score_any<S>,
                     score_rows<Avx512Int, Avx512Rows, S>,
                     seed<Avx512Int>,
                     finish,
                     enter,
                     leave};
}

}  // namespace

constexpr Kernels kAmxKernels = {
    "amx",
    tile_kernels<Scoring::kDot>(),
    tile_kernels<Scoring::kBiasedDot>(),
    vector_kernels<Avx512Differences, Scoring::kWhole>(kFloatLayout, encode_floats),
    vector_kernels<Avx512Products, Scoring::kLess>(kFloatLayout, encode_floats),
    threshold_of_few<Avx512Int>,
    collect<Avx512Int>,
    assign<Avx512Float>,
    to_unit,
    distances,
    half_distances,
};

}  // namespace gleann

#include "tiers/target_end.hpp"
#endif
