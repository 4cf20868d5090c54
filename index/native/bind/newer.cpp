#include "bind/newer.hpp"

#include <algorithm>
#include <utility>

#include "bind/bindings.hpp"

namespace py = pybind11;

namespace gleann {

PyNewerPart::PyNewerPart(const Engine& engine, ListArrays lists, const RowCodes& codes,
                         int64_t first, bool flat, int threads)
    : kept_(std::move(lists)), kind_(engine), part_([&] {
        const Lists viewed = view(engine, kept_, codes, first, flat);
        const py::gil_scoped_release release;
        return NewerPart(engine.kernels(), viewed, codes, engine.nlist(), first, flat,
                         threads);
      }()) {}

Lists PyNewerPart::view(const Engine& engine, const ListArrays& lists,
                        const RowCodes& codes, int64_t first, bool flat) {
  require_aligned(lists.offsets, lists.mids, lists.rows, lists.others);
  const int64_t nlist = flat ? 1 : engine.nlist();
  require(codes.d == engine.d(), "codes differ from the index in dimensions");
  require(engine.has_kind_of(codes), "codes are of another kind than the index");
  require(first >= 0 && codes.n < kMostRows && first < kMostRows,
          "there are 2**31 rows or more");
  require(lists.mids.size() == nlist && lists.offsets.size() == nlist + 1,
          "offsets and mids differ from the lists of the index");
  require(lists.rows.size() == lists.others.size() &&
              lists.offsets.data()[nlist] == lists.rows.size(),
          "rows and others do not have as many entries as the lists");
  return Lists{nlist, lists.offsets.data(), lists.mids.data(), lists.rows.data(),
               lists.others.data()};
}

PyNewerRows::PyNewerRows(const Engine& engine, const Parts& parts,
                         const Array<float>& vectors,
                         const std::optional<Array<bool>>& allowed,
                         const std::optional<Array<uint8_t>>& sealed_alive)
    : parts_(parts),
      vectors_(vectors),
      allowed_(allowed),
      sealed_alive_(sealed_alive),
      kind_(engine),
      rows_{} {
  require(vectors.ndim() == 2 && vectors.shape(1) == engine.query_d(),
          "newer vectors are not (m, d)");
  require_aligned(vectors);
  rows_.n = vectors.shape(0);
  require(engine.n() + rows_.n < kMostRows, "there are 2**31 rows or more");
  rows_.vectors = vectors.data();
  if (allowed) {
    require(allowed->ndim() == 1, "allowed newer rows are no vector");
    rows_.allowed = reinterpret_cast<const uint8_t*>(allowed->data());
  }
  if (sealed_alive) {
    require(sealed_alive->ndim() == 1 && sealed_alive->size() == (engine.n() + 7) / 8,
            "live rows of the index are not a bit each");
    rows_.sealed_alive = sealed_alive->data();
  }
  check_parts();
  for (const auto& part : parts_) rows_.parts.push_back(&part->part());
}

// A part may hold rows behind the last vector, if none of them is allowed.
void PyNewerRows::check_parts() const {
  const int64_t covered = allowed_ ? allowed_->size() : rows_.n;
  for (const auto& part : parts_) {
    require(part != nullptr && part->kind() == kind_,
            "newer rows were packed for another index");
    require(part->end() <= covered, "newer rows are packed, but not there");
  }
  if (!rows_.allowed) return;
  const auto none = [](uint8_t allowed) { return allowed == 0; };
  require(std::all_of(rows_.allowed + std::min(rows_.n, covered),
                      rows_.allowed + covered, none),
          "a newer row is allowed, but not there");
}

void PyNewerRows::require_of(const Engine& engine) const {
  require(Kind(engine) == kind_ && engine.n() + rows_.n < kMostRows,
          "newer rows were packed for another index");
  require(!sealed_alive_ || sealed_alive_->size() == (engine.n() + 7) / 8,
          "live rows are of another index");
}

void bind_newer(py::module_& module) {
  py::class_<PyNewerPart, std::shared_ptr<PyNewerPart>>(module, "NewerPart")
      .def_property_readonly("first", &PyNewerPart::first)
      .def_property_readonly("end", &PyNewerPart::end);
  py::class_<PyNewerRows>(module, "NewerRows");
}

}  // namespace gleann
