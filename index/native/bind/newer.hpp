// Newer rows for Python: what a Scanner packs and searches beside its own rows.
#pragma once

#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <vector>

#include "bind/arrays.hpp"
#include "scan/engine.hpp"

namespace gleann {

struct ListArrays {
  Array<int64_t> offsets;  // (nlist + 1)
  Array<int64_t> mids;     // (nlist)
  Array<int32_t> rows;     // (entries)
  Array<int32_t> others;   // (entries)
};

// The engine whose codes and lists newer rows have.
struct Kind {
  explicit Kind(const Engine& engine)
      : kernels(&engine.kernels()),
        d(engine.d()),
        query_d(engine.query_d()),
        nlist(engine.nlist()) {}
  bool operator==(const Kind& other) const {
    return kernels == other.kernels && d == other.d && query_d == other.query_d &&
           nlist == other.nlist;
  }

  const ScanKernels* kernels;
  int64_t d;
  int64_t query_d;
  int64_t nlist;
};

class PyNewerPart {
 public:
  PyNewerPart(const Engine& engine, ListArrays lists, const RowCodes& codes,
              int64_t first, bool flat, int threads);

  const NewerPart& part() const { return part_; }
  const Kind& kind() const { return kind_; }
  int64_t first() const { return part_.first; }
  int64_t end() const { return part_.end; }

 private:
  static Lists view(const Engine& engine, const ListArrays& lists,
                    const RowCodes& codes, int64_t first, bool flat);

  ListArrays kept_;  // the arrays that the part points into
  Kind kind_;
  NewerPart part_;
};

class PyNewerRows {
 public:
  using Parts = std::vector<std::shared_ptr<PyNewerPart>>;

  PyNewerRows(const Engine& engine, const Parts& parts, const Array<float>& vectors,
              const std::optional<Array<bool>>& allowed,
              const std::optional<Array<uint8_t>>& sealed_alive);

  const NewerRows& rows() const { return rows_; }
  // Throws std::invalid_argument if they were made for another kind of engine.
  void require_of(const Engine& engine) const;

 private:
  void check_parts() const;

  Parts parts_;
  Array<float> vectors_;
  std::optional<Array<bool>> allowed_;
  std::optional<Array<uint8_t>> sealed_alive_;
  Kind kind_;
  NewerRows rows_;
};

}  // namespace gleann
