// The OpenMP back end: a team whose members claim chunks. Its end-of-region barrier waits for every member.
#include <omp.h>

#include "fastnn/base/parallel_team.h"

namespace fastnn {

void run_on_openmp(Region& region) {
#pragma omp parallel num_threads(region.threads)
  {
#pragma omp single
    region.threads = omp_get_num_threads();  // OMP_THREAD_LIMIT may grant fewer
    region.work(omp_get_thread_num());
  }
}

}  // namespace fastnn
