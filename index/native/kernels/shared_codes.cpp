#include "kernels/shared_codes.hpp"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/require.hpp"
#include "base/threads.hpp"

namespace gleann {
namespace {

using Lanes = const uint8_t* [kBlock];

#if defined(__SSE2__)
// 16 bytes of four codes to four steps.
void interleave_four(const uint8_t* const* codes, int64_t at, uint8_t* out) {
  __m128i row[4];
  for (int i = 0; i < 4; ++i) {
    row[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes[i] + at));
  }
  const __m128i low01 = _mm_unpacklo_epi32(row[0], row[1]);
  const __m128i low23 = _mm_unpacklo_epi32(row[2], row[3]);
  const __m128i high01 = _mm_unpackhi_epi32(row[0], row[1]);
  const __m128i high23 = _mm_unpackhi_epi32(row[2], row[3]);
  const __m128i steps[4] = {
      _mm_unpacklo_epi64(low01, low23), _mm_unpackhi_epi64(low01, low23),
      _mm_unpacklo_epi64(high01, high23), _mm_unpackhi_epi64(high01, high23)};
  for (int s = 0; s < 4; ++s) {
    _mm_store_si128(reinterpret_cast<__m128i*>(out + s * 4 * kBlock), steps[s]);
  }
}

// Steps of four bytes of a block's entries, four at a time; returns the bytes done.
int64_t interleave_words(const Lanes& codes, int64_t bytes, uint8_t* block) {
  int64_t at = 0;
  for (; at + 16 <= bytes; at += 16) {
    for (int e = 0; e < kBlock; e += 4) {
      interleave_four(codes + e, at, block + at * kBlock + e * 4);
    }
  }
  return at;
}
#else
int64_t interleave_words(const Lanes&, int64_t, uint8_t*) { return 0; }
#endif

template <int kUnit>
void interleave_rest(const Lanes& codes, int64_t at, int64_t bytes, uint8_t* block) {
  for (; at < bytes; at += kUnit) {
    for (int e = 0; e < kBlock; ++e) {
      std::memcpy(block + at * kBlock + e * kUnit, codes[e] + at, kUnit);
    }
  }
}

// Dimensions of an entry lie apart.
void scatter(const Lanes& codes, int64_t bytes, const Layout& layout, uint8_t* block) {
  for (int64_t i = 0; i < bytes; ++i) {
    uint8_t* step = block + i / layout.dims * layout.dims * kBlock +
                    i % layout.dims * layout.dim_stride;
    for (int e = 0; e < kBlock; ++e) step[e * layout.entry_stride] = codes[e][i];
  }
}

}  // namespace

SharedCodes::SharedCodes(const Lists& lists, const RowCodes& codes,
                         const Layout& layout, int64_t row_bytes, int threads)
    : layout_(layout), row_bytes_(row_bytes) {
  place_rows(lists, codes.n);
  codes_ = make_buffer<uint8_t>(rows_ * row_bytes_);
  parallel_for(lists.nlist, threads, [&](int64_t j) {
    uint8_t* out = codes_.get() + primaries_[j] * row_bytes_;
    for (int64_t e = lists.offsets[j]; e < lists.mids[j]; ++e, out += row_bytes_) {
      const int8_t* code = codes.values + lists.rows[e] * codes.d;
      for (int64_t i = 0; i < codes.d; ++i) {
        out[i] = static_cast<uint8_t>(code[i]) ^ layout.flip;
      }
    }
  });
}

void SharedCodes::place_rows(const Lists& lists, int64_t n) {
  std::vector<int32_t> of_row(n, -1);
  primaries_.resize(lists.nlist);
  for (int64_t j = 0; j < lists.nlist; ++j) {
    primaries_[j] = rows_;
    for (int64_t e = lists.offsets[j]; e < lists.mids[j]; ++e) {
      of_row[lists.rows[e]] = static_cast<int32_t>(rows_++);
    }
  }
  places_.reserve(lists.offsets[lists.nlist] - rows_);
  for (int64_t j = 0; j < lists.nlist; ++j) {
    for (int64_t e = lists.mids[j]; e < lists.offsets[j + 1]; ++e) {
      const int32_t place = of_row[lists.rows[e]];
      require(place >= 0, "a spilled row is in no list as a primary");
      places_.push_back(place);
    }
  }
}

const uint8_t* SharedCodes::code(const Lists& lists, int64_t list_no,
                                 int64_t entry) const {
  const int64_t first = lists.offsets[list_no], mid = lists.mids[list_no] - first;
  const int64_t spilled = first - primaries_[list_no];  // of the lists before
  const int64_t place =
      entry < mid ? primaries_[list_no] + entry : places_[spilled + entry - mid];
  return codes_.get() + place * row_bytes_;
}

void SharedCodes::assemble(const Lists& lists, int64_t list_no, int64_t entries,
                           uint8_t* blocks) const {
  constexpr int64_t kAhead = 2 * kBlock;
  const bool words = layout_.dims == 4 && layout_.dim_stride == 1;
  for (int64_t first = 0; first < entries; first += kBlock) {
    Lanes codes;
    for (int e = 0; e < kBlock; ++e) {
      // What is behind the last entry has no scale, and so no score.
      codes[e] = code(lists, list_no, std::min(first + e, entries - 1));
      if (first + e + kAhead >= entries) continue;
      const uint8_t* ahead = code(lists, list_no, first + e + kAhead);
      for (int64_t at = 0; at < row_bytes_; at += kCacheLine) {
        __builtin_prefetch(ahead + at);
      }
    }
    uint8_t* block = blocks + first * row_bytes_;
    if (words) {
      const int64_t done = interleave_words(codes, row_bytes_, block);
      interleave_rest<4>(codes, done, row_bytes_, block);
    } else if (layout_.dims == 2 && layout_.dim_stride == 1) {
      interleave_rest<2>(codes, 0, row_bytes_, block);
    } else {
      scatter(codes, row_bytes_, layout_, block);
    }
  }
}

void SharedCodes::point(const Lists& lists, int64_t list_no, int64_t entries,
                        std::vector<const uint8_t*>& codes) const {
  codes.resize((entries + kBlock - 1) / kBlock * kBlock);
  for (int64_t e = 0; e < static_cast<int64_t>(codes.size()); ++e) {
    codes[e] = code(lists, list_no, std::min(e, entries - 1));
  }
}

int64_t SharedCodes::nbytes() const {
  return rows_ * row_bytes_ + 4 * static_cast<int64_t>(places_.size()) +
         8 * static_cast<int64_t>(primaries_.size());
}

}  // namespace gleann
