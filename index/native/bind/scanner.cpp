// Scanner for Python: checks shapes, keeps arrays alive, releases the GIL.
#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/bindings.hpp"
#include "bind/codes.hpp"
#include "bind/kept_rows.hpp"
#include "bind/newer.hpp"
#include "scan/engine.hpp"

namespace py = pybind11;

namespace gleann {
namespace {

Distance distance_of(const std::string& metric) {
  if (metric == "ip") return Distance::kNegatedDot;
  if (metric == "cosine") return Distance::kHalfSquaredL2;
  if (metric == "l2") return Distance::kSquaredL2;
  throw std::invalid_argument("metric must be ip, cosine or l2, got " + metric);
}

EntryCodes entry_codes_of(const std::string& name) {
  if (name == "copied") return EntryCodes::kCopied;
  if (name == "shared") return EntryCodes::kShared;
  throw std::invalid_argument("entry codes must be copied or shared, got " + name);
}

class PyScanner {
 public:
  PyScanner(const std::string& metric, const Array<float>& center,
            const CodeArray& directions, const Array<float>& direction_scales,
            const Array<float>& direction_biases, const Array<int64_t>& offsets,
            const Array<int64_t>& mids, const Array<int32_t>& rows,
            const Array<int32_t>& others, const CodeArray& codes,
            const Array<float>& scales, const Array<float>& biases,
            const GivenRows& vectors, const std::string& half,
            const std::string& entry_codes, const Array<float>& axes,
            const Array<float>& axes_center, const std::string& tier, int threads)
      : kept_(py::make_tuple(offsets, mids, rows, others, vectors, axes, axes_center)),
        center_(center),
        engine_(
            make(view(metric, GivenCodes(codes, scales, biases, center).codes(),
                      GivenCodes(directions, direction_scales, direction_biases, center)
                          .codes(),
                      offsets, mids, rows, others, kept_rows(vectors, half),
                      entry_codes_of(entry_codes), axes, axes_center),
                 tier, threads)) {}

  std::string tier() const { return engine_.tier(); }

  std::map<std::string, int64_t> nbytes() const {
    const Memory held = engine_.memory();
    return {{"codes", held.codes},
            {"scales", held.scales},
            {"biases", held.biases},
            {"directions", held.directions},
            {"row_lists", held.row_lists}};
  }

  // Newer rows in the lists of this index, or flat; see NewerPart.
  std::shared_ptr<PyNewerPart> pack(const Array<int64_t>& offsets,
                                    const Array<int64_t>& mids,
                                    const Array<int32_t>& rows,
                                    const Array<int32_t>& others,
                                    const CodeArray& codes, const Array<float>& scales,
                                    const Array<float>& biases, int64_t first,
                                    bool flat, int threads) const {
    const GivenCodes given(codes, scales, biases, center_);
    return std::make_shared<PyNewerPart>(engine_,
                                         ListArrays{offsets, mids, rows, others},
                                         given.codes(), first, flat, threads);
  }

  std::unique_ptr<PyNewerRows> newer_rows(
      const std::vector<std::shared_ptr<PyNewerPart>>& parts,
      const Array<float>& vectors, const std::optional<Array<bool>>& allowed,
      const std::optional<Array<uint8_t>>& sealed_alive) const {
    return std::make_unique<PyNewerRows>(engine_, parts, vectors, allowed,
                                         sealed_alive);
  }

  Array<int32_t> rank_lists(const Array<float>& queries, int64_t nprobe,
                            int threads) const {
    check_queries(queries);
    require(nprobe >= 1 && nprobe <= engine_.nlist(), "nprobe is not in 1..nlist");
    const int64_t nq = queries.shape(0);
    Array<int32_t> list_nos({nq, nprobe});
    int32_t* out = list_nos.mutable_data();
    const float* in = queries.data();
    const py::gil_scoped_release release;
    engine_.rank_lists(in, nq, nprobe, threads, out);
    return list_nos;
  }

  py::tuple scan(const Array<float>& queries, const Array<int32_t>& list_nos, int32_t k,
                 int32_t rerank, const std::optional<Array<bool>>& allowed,
                 bool primary_only, const PyNewerRows* newer, bool newer_only,
                 const std::optional<Array<float>>& exact, int threads) const {
    check_queries(queries);
    require(list_nos.ndim() == 2 && list_nos.shape(0) == queries.shape(0),
            "list_nos is not (nq, nprobe)");
    require_aligned(list_nos);
    require(!newer_only || (newer && list_nos.shape(1) == 0),
            "a scan of newer rows only probes no list");
    ScanJob job{};
    job.list_nos = list_nos.data();
    job.nprobe = list_nos.shape(1);
    job.newer_only = newer_only;
    take(job, newer);
    take_exact(job, exact, queries.shape(0));
    return run(job, queries, k, rerank, allowed, primary_only, threads);
  }

  py::tuple search(const Array<float>& queries, int64_t nprobe, bool to_unit, int32_t k,
                   int32_t rerank, const std::optional<Array<bool>>& allowed,
                   bool primary_only, int threads, const PyNewerRows* newer) const {
    check_queries(queries);
    require(nprobe >= 1 && nprobe <= engine_.nlist(), "nprobe is not in 1..nlist");
    ScanJob job{};
    job.nprobe = nprobe;
    job.to_unit = to_unit;
    take(job, newer);
    return run(job, queries, k, rerank, allowed, primary_only, threads);
  }

  // Search the `first` best lists of each query, and as many of the best `nprobe` as
  // its depth grants; see Effort.
  py::tuple search_by_effort(const Array<float>& queries, int64_t nprobe, int64_t first,
                             int32_t deep_rows, const Array<int32_t>& budgets,
                             bool to_unit, int32_t k, int32_t rerank,
                             int threads) const {
    check_queries(queries);
    require(first >= 1 && first <= nprobe && nprobe <= engine_.nlist(),
            "not 1 <= first <= nprobe <= nlist");
    require_aligned(budgets);
    require(deep_rows >= 1 && deep_rows <= rerank, "not 1 <= deep_rows <= rerank");
    require(budgets.size() == int64_t{deep_rows} * depth_of(first) + 1,
            "budgets has another size");
    for (int64_t i = 0; i < budgets.size(); ++i) {
      require(budgets.data()[i] <= nprobe, "a budget is above nprobe");
    }
    const Effort effort{deep_rows, first, budgets.data()};
    ScanJob job{};
    job.nprobe = nprobe;
    job.to_unit = to_unit;
    job.effort = &effort;
    return run(job, queries, k, rerank, std::nullopt, false, threads);
  }

  // Search the best `ranked` lists of `ranker`, or those of them that the filter takes;
  // the last result says for which queries these lists do.
  py::tuple search_chosen(const Array<float>& queries, const PyScanner& ranker,
                          int64_t ranked, const Array<int64_t>& sizes,
                          const Array<double>& kept,
                          const std::optional<Array<int64_t>>& entries, double reach,
                          double share, int64_t nprobe, bool to_unit, int32_t k,
                          int32_t rerank, const std::optional<Array<bool>>& allowed,
                          bool primary_only, int threads,
                          const PyNewerRows* newer) const {
    check_queries(queries);
    const int64_t nlist = engine_.nlist();
    require(ranker.engine_.nlist() == nlist && ranker.engine_.d() == engine_.d() &&
                ranker.engine_.query_d() == engine_.query_d() &&
                ranker.tier() == tier(),
            "the ranker is not of the same lists");
    require(nprobe >= 1 && nprobe <= ranked && ranked <= nlist,
            "not 1 <= nprobe <= ranked <= nlist");
    require(sizes.size() == nlist && kept.size() == nlist &&
                (!entries || entries->size() == nlist),
            "sizes, kept and entries are not (nlist)");
    require_aligned(sizes, kept);
    const ListChoice choice{
        sizes.data(), kept.data(), entries ? entries->data() : nullptr,
        reach,        share,       nprobe};
    Array<bool> settled(queries.shape(0));
    ScanJob job{};
    job.nprobe = ranked;
    job.to_unit = to_unit;
    job.ranker = &ranker.engine_;
    job.choice = &choice;
    job.settled = settled.mutable_data();
    take(job, newer);
    const py::tuple found =
        run(job, queries, k, rerank, allowed, primary_only, threads);
    return py::make_tuple(found, settled);
  }

 private:
  // Packs all codes, which takes minutes at 10^8 rows: without the GIL.
  static Engine make(const IndexArrays& arrays, const std::string& tier, int threads) {
    const py::gil_scoped_release release;
    return Engine(arrays, tier, threads);
  }

  // The capacities of sinks are less than twice that and fit in int32.
  static constexpr int32_t kMaxRerank = 1 << 29;

  static IndexArrays view(const std::string& metric, const RowCodes& codes,
                          const RowCodes& directions, const Array<int64_t>& offsets,
                          const Array<int64_t>& mids, const Array<int32_t>& rows,
                          const Array<int32_t>& others, const ShapedRows& vectors,
                          EntryCodes entry_codes, const Array<float>& axes,
                          const Array<float>& axes_center) {
    const int64_t n = codes.n, d = codes.d, nlist = mids.size();
    require(d >= 1 && nlist >= 1, "there are no dimensions or no lists");
    require(n < kMostRows && nlist < kMostRows,
            "there are 2**31 rows or lists or more");
    require(d <= kMostDims, "there are more than 65,536 dimensions");
    require_aligned(offsets, mids, rows, others);
    require(vectors.n == n && vectors.d >= d, "codes and vectors differ in shape");
    require(directions.n == nlist && directions.d == d && offsets.size() == nlist + 1,
            "directions, offsets and mids differ in shape");
    require(rows.size() == others.size() && offsets.data()[nlist] == rows.size(),
            "rows and others do not have as many entries as the lists");
    return IndexArrays{
        distance_of(metric),
        Lists{nlist, offsets.data(), mids.data(), rows.data(), others.data()},
        codes,
        vectors.rows,
        vectors.d,
        query_axes(axes, axes_center, codes, vectors.d),
        directions,
        entry_codes};
  }

  static QueryAxes query_axes(const Array<float>& axes, const Array<float>& center,
                              const RowCodes& codes, int64_t d) {
    if (axes.size() == 0) return {};
    require_aligned(axes, center);
    require(axes.ndim() == 2 && axes.shape(0) == codes.d && axes.shape(1) == d,
            "axes are not (p, d) of the codes and the vectors");
    require(center.size() == 0 || center.size() == d, "the center is not (d,)");
    require(codes.values && !codes.center, "only int8 codes without center have axes");
    return {axes.data(), center.size() ? center.data() : nullptr};
  }

  void check_queries(const Array<float>& queries) const {
    require(queries.ndim() == 2 && queries.shape(1) == engine_.query_d(),
            "queries are not (nq, d)");
    require_aligned(queries);
  }

  // Complete the job and run it.
  py::tuple run(ScanJob& job, const Array<float>& queries, int32_t k, int32_t rerank,
                const std::optional<Array<bool>>& allowed, bool primary_only,
                int threads) const {
    require(k >= 1 && rerank >= k && rerank <= kMaxRerank,
            "not 1 <= k <= rerank <= 2**29");
    require(!allowed || (allowed->ndim() == 1 && allowed->shape(0) == engine_.n()),
            "allowed is not (n,)");
    const int64_t nq = queries.shape(0);
    Array<int64_t> rows({nq, int64_t{k}});
    Array<float> distances({nq, int64_t{k}});
    require(job.exact || engine_.vector_d() == engine_.query_d(),
            "the codes are projected: exact queries are missing");
    job.queries = queries.data();
    job.nq = nq;
    job.k = k;
    job.rerank = rerank;
    job.allowed = allowed ? reinterpret_cast<const uint8_t*>(allowed->data()) : nullptr;
    job.primary_only = primary_only;
    job.threads = threads;
    job.rows = rows.mutable_data();
    job.distances = distances.mutable_data();
    Work work;
    {
      const py::gil_scoped_release release;
      work = engine_.scan(job);
    }
    return py::make_tuple(rows, distances, work.short_queries,
                          py::make_tuple(work.lists_probed, work.entries_scanned,
                                         work.survivors, work.reranked));
  }

  void take_exact(ScanJob& job, const std::optional<Array<float>>& exact,
                  int64_t nq) const {
    if (!exact) return;
    require(!job.newer, "newer rows are not projected");
    require(exact->ndim() == 2 && exact->shape(0) == nq &&
                exact->shape(1) == engine_.vector_d(),
            "exact queries are not of the kind of the vectors");
    require_aligned(*exact);
    job.exact = exact->data();
  }

  void take(ScanJob& job, const PyNewerRows* newer) const {
    if (!newer) return;
    newer->require_of(engine_);
    job.newer = &newer->rows();
  }

  py::tuple kept_;  // the arrays that the engine points into
  Array<float> center_;
  Engine engine_;
};

}  // namespace

void bind_scanner(py::module_& module) {
  // noconvert: pybind11 would silently copy an array of another type or order, and so
  // read a memory-mapped one whole.
  bind_newer(module);
  py::class_<PyScanner>(module, "Scanner")
      .def(
          py::init<const std::string&, const Array<float>&, const CodeArray&,
                   const Array<float>&, const Array<float>&, const Array<int64_t>&,
                   const Array<int64_t>&, const Array<int32_t>&, const Array<int32_t>&,
                   const CodeArray&, const Array<float>&, const Array<float>&,
                   const GivenRows&, const std::string&, const std::string&,
                   const Array<float>&, const Array<float>&, const std::string&, int>(),
          py::kw_only(), py::arg("metric"), py::arg("center").noconvert(),
          py::arg("directions").noconvert(), py::arg("direction_scales").noconvert(),
          py::arg("direction_biases").noconvert(), py::arg("offsets").noconvert(),
          py::arg("mids").noconvert(), py::arg("rows").noconvert(),
          py::arg("others").noconvert(), py::arg("codes").noconvert(),
          py::arg("scales").noconvert(), py::arg("biases").noconvert(),
          py::arg("vectors").noconvert(), py::arg("half"), py::arg("entry_codes"),
          py::arg("axes").noconvert(), py::arg("axes_center").noconvert(),
          py::arg("tier"), py::arg("threads"))
      .def_property_readonly("tier", &PyScanner::tier)
      .def_property_readonly("nbytes", &PyScanner::nbytes)
      .def("rank_lists", &PyScanner::rank_lists, py::arg("queries").noconvert(),
           py::kw_only(), py::arg("nprobe"), py::arg("threads"))
      .def("scan", &PyScanner::scan, py::arg("queries").noconvert(),
           py::arg("list_nos").noconvert(), py::kw_only(), py::arg("k"),
           py::arg("rerank"), py::arg("allowed").noconvert() = py::none(),
           py::arg("primary_only"), py::arg("newer") = py::none(),
           py::arg("newer_only") = false, py::arg("exact").noconvert() = py::none(),
           py::arg("threads"))
      .def("search", &PyScanner::search, py::arg("queries").noconvert(),
           py::arg("nprobe"), py::arg("to_unit"), py::arg("k"), py::arg("rerank"),
           py::arg("allowed").noconvert() = py::none(), py::arg("primary_only"),
           py::arg("threads"), py::arg("newer") = py::none())
      .def("search_by_effort", &PyScanner::search_by_effort,
           py::arg("queries").noconvert(), py::arg("nprobe"), py::arg("first"),
           py::arg("deep_rows"), py::arg("budgets").noconvert(), py::arg("to_unit"),
           py::arg("k"), py::arg("rerank"), py::arg("threads"))
      .def("search_chosen", &PyScanner::search_chosen, py::arg("queries").noconvert(),
           py::arg("ranker"), py::arg("ranked"), py::arg("sizes").noconvert(),
           py::arg("kept").noconvert(), py::arg("entries").noconvert().none(true),
           py::arg("reach"), py::arg("share"), py::arg("nprobe"), py::arg("to_unit"),
           py::arg("k"), py::arg("rerank"), py::arg("allowed").noconvert().none(true),
           py::arg("primary_only"), py::arg("threads"), py::arg("newer") = py::none())
      .def("pack", &PyScanner::pack, py::kw_only(), py::arg("offsets").noconvert(),
           py::arg("mids").noconvert(), py::arg("rows").noconvert(),
           py::arg("others").noconvert(), py::arg("codes").noconvert(),
           py::arg("scales").noconvert(), py::arg("biases").noconvert(),
           py::arg("first"), py::arg("flat"), py::arg("threads"))
      .def("newer_rows", &PyScanner::newer_rows, py::kw_only(), py::arg("parts"),
           py::arg("vectors").noconvert(), py::arg("allowed").noconvert() = py::none(),
           py::arg("sealed_alive").noconvert() = py::none());
}

}  // namespace gleann
