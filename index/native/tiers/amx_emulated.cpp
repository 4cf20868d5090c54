// The AMX kernel on emulated tiles: slow, for tests on CPUs without AMX.
#include "kernels/kernels.hpp"
#include "tiers/assign_tile.hpp"
#include "tiers/ops_portable.hpp"
#include "tiers/row_dots.hpp"
#include "tiers/scan_tiles.hpp"
#include "tiers/tile.hpp"
#include "tiers/vectors.hpp"

namespace gleann {
namespace {

struct TileFile {
  uint8_t codes[8][kTileRows * kStepCodes];
  int32_t sums[4][kTileRows][kBlock];
  int steps;  // steps in a tile; 0 where no thread has entered
};

thread_local TileFile tiles;

struct EmulatedTiles {
  template <int T>
  static void zero() {
    __builtin_memset(tiles.sums[T], 0, sizeof tiles.sums[T]);
  }
  // Query tiles have 16 rows of `steps` steps, entry tiles `steps` rows of 16.
  template <int T>
  static void load(const uint8_t* bytes, int64_t stride) {
    const int rows = T < 6 ? kTileRows : tiles.steps;
    const int row_bytes = T < 6 ? tiles.steps * kStepBytes : kStepCodes;
    for (int r = 0; r < rows; ++r) {
      __builtin_memcpy(tiles.codes[T] + r * kStepCodes, bytes + r * stride, row_bytes);
    }
  }
  template <int C, int A, int B>
  static void dot() {
    for (int m = 0; m < kTileRows; ++m) {
      for (int s = 0; s < tiles.steps; ++s) {
        const uint8_t* query = tiles.codes[A] + m * kStepCodes + s * kStepBytes;
        const uint8_t* codes = tiles.codes[B] + s * kStepCodes;
        for (int n = 0; n < kBlock; ++n) {
          for (int i = 0; i < kStepBytes; ++i) {
            tiles.sums[C][m][n] +=
                static_cast<int8_t>(query[i]) * codes[n * kStepBytes + i];
          }
        }
      }
    }
  }
  template <int T>
  static void store(int32_t* sums) {
    __builtin_memcpy(sums, tiles.sums[T], sizeof tiles.sums[T]);
  }
};

void enter(const Panel& panel) { tiles.steps = panel.tile_steps; }

void leave() { tiles.steps = 0; }

template <Scoring S>
constexpr ScanKernels tile_kernels() {
  return ScanKernels{Layout{4, 4, 1, 0x80, 16, false, 1},
                     quantise,
                     scan_tiles<EmulatedTiles, PortableInt, S>,
                     score_tiles<EmulatedTiles, PortableInt, S>,
                     score_rows<PortableInt, OffsetRows, S>,
                     seed<PortableInt>,
                     finish,
                     enter,
                     leave};
}

}  // namespace

constexpr Kernels kAmxEmulatedKernels = {
    "amx-emulated",
    tile_kernels<Scoring::kDot>(),
    tile_kernels<Scoring::kBiasedDot>(),
    vector_kernels<PortableDifferences, Scoring::kWhole>(kFloatLayout, encode_floats),
    vector_kernels<PortableProducts, Scoring::kLess>(kFloatLayout, encode_floats),
    threshold_of_few<PortableInt>,
    collect<PortableInt>,
    assign<PortableFloat>,
    to_unit,
    distances,
    half_distances,
};

}  // namespace gleann
