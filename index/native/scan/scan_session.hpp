// What some kernels set up on a thread before its first scan, such as matrix tiles.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {

// Tells the kernels that this thread scans, for as long as it lives.
class ScanSession {
 public:
  ScanSession(const ScanKernels& scan, const Panel& panel) : scan_(scan) {
    if (scan_.enter) scan_.enter(panel);
  }
  ~ScanSession() {
    if (scan_.leave) scan_.leave();
  }
  ScanSession(const ScanSession&) = delete;
  ScanSession& operator=(const ScanSession&) = delete;

 private:
  const ScanKernels& scan_;
};

}  // namespace gleann
