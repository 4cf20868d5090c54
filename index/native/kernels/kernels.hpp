// Interface between the drivers (scan/, assign/) and the kernels of the tiers.
//
// A tier is an instruction set. Each file of tiers/ is compiled for one and may run
// only after dispatch.cpp has seen that the CPU has it. So that no such code is linked
// into the rest of the program, everything these files define has internal linkage,
// except for one constant table per file; and this header holds plain data and
// declarations only.
#pragma once

#include <cstdint>

namespace gleann {

constexpr int kBlock = 16;     // entries stored side by side, one per SIMD lane
constexpr int kMaxGroup = 96;  // queries scanned together
constexpr int kStepBytes = 4;  // bytes of one query that one step consumes
constexpr int kCacheLine = 64;

// The code layout of a tier. A block of 16 entries is a sequence of steps; one step
// holds `dims` dimensions of all 16.
struct Layout {
  int dims;            // dimensions per step: 4, 2, or 1
  int entry_stride;    // bytes from one entry to the next within a step
  int dim_stride;      // bytes from one dimension to the next within a step
  uint8_t flip;        // xor-ed onto each code: 0x80 turns int8 into offset uint8
  int max_tile_steps;  // steps are split evenly into tiles of at most this; 0: no tiles
  bool wide_query;     // query codes as int16 instead of int8
  int value_bytes;     // of one dimension of one entry
};

// 16-entry blocks of one list, or of all centroids, as the kernels read them.
struct Panel {
  const uint8_t* codes;
  int64_t blocks;
  int64_t block_bytes;
  int steps;
  int tile_steps;  // steps in each tile; steps itself where there are no tiles
  // One per slot. NaN in the slots after the last entry, whose scores are then NaN and
  // pass no threshold: kernels need no special case for the end of a list. Float32
  // codes have no scales, and are NaN themselves there.
  const float* scales;
  const float* biases;
};

// The best entries of one query so far, as keys (see base/keys.hpp): smaller is better.
//
// Keys have a total order, so the result does not depend on the order of the scan.
struct Sink {
  uint64_t* keys;
  const uint64_t* probed;  // bit per list: does this query scan it?
  // Bit per list: was it scanned before later ones were chosen? Null: all at once.
  const uint64_t* earlier;
  uint64_t cutoff;  // keys at or above it cannot be among the best `rerank`
  int64_t survivors;
  float threshold;  // no lower score can be among the best `rerank`
  int32_t count;
  int32_t rerank;
  int32_t capacity;  // above rerank
};

// The entries of a list, and the conditions on those that pass the threshold.
struct Entries {
  const int32_t* rows;    // row of each entry, less `first`
  const int32_t* others;  // the other list of each entry
  int64_t primaries;      // entries before this one are primary
  bool primary_only;
  const uint8_t* allowed;  // per row from `first` on; null: all
  const uint8_t* alive;    // bit per row, if `first` is 0; null: all
  int32_t first;
  int32_t skip;   // slots of the panel before the first entry: those of other lists
  int64_t count;  // entries; behind them, there may be others of other lists
  int64_t sure;   // entries from the first on that set the threshold of a seed
};

// An entry of the panel whose score passed a query's threshold.
struct Hit {
  float score;
  int32_t entry;  // of the list
  int32_t query;  // of the group
};

constexpr int kHitRoom = 512;  // hits to collect before they are processed
// Four blocks of one query can exceed it before the next check.
constexpr int kMostHits = kHitRoom + 4 * kBlock;

// What a query on its own does while it waits for memory: it fetches the codes that it
// reads next, and lets hits wait for one more panel, until their rows are there too.
struct Alone {
  const uint8_t* at;  // codes to fetch; moves on to `end`
  const uint8_t* end;
  int64_t blocks;       // whose scales and biases are to be fetched
  const float* scales;  // of the next of these, or null
  const float* biases;  // likewise
  Entries entries;      // of the hits that wait
  int32_t hit_count;    // of those, the first of the group's
};

// Where the codes of a list are, slot by slot, and those to be fetched meanwhile: of
// the list that is read next.
struct RowPointers {
  const uint8_t* const* codes;
  const uint8_t* const* next;
  int64_t next_count;
};

// Queries that scan the same panel.
struct Group {
  int count;
  const uint8_t* queries;  // kStepBytes per step, `stride` bytes per query
  int64_t stride;
  float factors[kMaxGroup];     // twice the query's scale
  int32_t starts[kMaxGroup];    // initial value of each sum
  float thresholds[kMaxGroup];  // copies of the sinks' thresholds, contiguous
  Sink* sinks[kMaxGroup];
  int32_t hit_count;
  Hit* hits;     // room for kMostHits
  Alone* alone;  // where the group is one query for all its panels; else null
};

// The best list of each row by dot + bias, or by SOAR's loss.
struct AssignJob {
  const Panel* panel;  // float32 centroids and their biases
  const Group* rows;
  const Group* residuals;  // null: score by dot + bias
  const int32_t* barred;   // a list each row must not take; null: none
  const float* along;      // r.x of each row, for SOAR
  const float* weights;    // lambda / (2 |r|^2) of each row, for SOAR
  int32_t* list_nos;       // out, ties to the lower number
};

struct QueryScale {
  float scale;
  int32_t start;
};

// The distance of re-ranking.
enum class Distance { kNegatedDot, kHalfSquaredL2, kSquaredL2 };

// Rows of 16 bits a dimension: IEEE 754 binary16, or the upper half of a float32.
enum class Half { kFloat16, kBfloat16 };

// How one kind of codes is scanned. Scores are higher for nearer entries.
struct ScanKernels {
  Layout layout;
  // Encodes the query less the center (d), which may be null.
  QueryScale (*encode)(const float* query, const float* center, int64_t d,
                       const Layout&, uint8_t* codes);
  void (*scan)(const Panel&, Group&, const Entries&);
  // Writes the same scores to scores[query][slot], 16 slots per block; NaN past the
  // last entry.
  void (*score)(const Panel&, const Group&, float* scores);
  // The same scores for one query, of codes that are not in blocks. Null where codes
  // are always in blocks.
  void (*score_rows)(const RowPointers&, const Panel&, const Group&, float* scores);
  // Adds the entries of one query from its written scores; sets its threshold.
  void (*seed)(const float* scores, int64_t blocks, Group&, int query, const Entries&);
  // Adds the hits that still wait.
  void (*admit)(Group&);
  // Called on each thread before its first and after its last scan; may be null.
  void (*enter)(const Panel&);
  void (*leave)();
};

// The kernels of one tier. All tiers give the same scores, bit for bit: integer sums
// are exact, and float sums add one dimension after another, each step rounded.
struct Kernels {
  const char* name;
  // int8: dot * scale. The query's scale, common to all, is left out.
  ScanKernels dots;
  // int8: dot * scale * factor - bias
  ScanKernels biased_dots;
  // float32: -sum (q - x)^2
  ScanKernels differences;
  // float32: dot - bias
  ScanKernels products;
  // A threshold that at least `least` of `count` scores reach, and usually at most
  // `most`; the scores are padded with NaN to whole blocks. `room`: for an eighth of
  // their number.
  float (*threshold_for)(const float* scores, int64_t count, int64_t least,
                         int64_t most, float* room);
  // Slots whose score is at least `threshold`, ascending; returns how many. Writes up
  // to kBlock slots beyond them.
  int64_t (*collect)(const float* scores, int64_t blocks, float threshold,
                     int32_t* slots);
  // Codes are float32, one dimension per step; score = dot + bias.
  void (*assign)(const AssignJob&);
  // Scales the vector to unit length; false if its length is zero.
  bool (*to_unit)(const float* vector, int64_t d, float* unit);
  // Accumulated in double and rounded once.
  void (*distances)(const float* query, const float* vectors, const int32_t* rows,
                    int64_t count, int64_t d, Distance, float* out);
  // The same for rows of 16 bits a dimension, each widened into `room` (d) first.
  void (*half_distances)(const float* query, const uint16_t* vectors, Half,
                         const int32_t* rows, int64_t count, int64_t d, Distance,
                         float* room, float* out);
};

extern const Kernels kPortableKernels;
extern const Kernels kAmxEmulatedKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAmxKernels;
#endif

// Cut the buffer down to exactly its best `rerank` keys, in no order, and raise the
// threshold. Not for the inner loop.
void compact(Sink& sink);

}  // namespace gleann
