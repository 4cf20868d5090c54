// Per-thread setup of the kernels, such as the configuration of AMX tiles.
#pragma once

#include "kernels/kernels.hpp"

namespace gleann {

// Calls the enter and leave functions of the kernels on the thread that scans.
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
