// Stands in for Intel's TBB, whose headers do not compile for WebAssembly.  These are the names that Stan Math
// mentions; with one thread, "in parallel" means at once and here.
#pragma once
#include <cstddef>
#define TBB_VERSION_MAJOR 2020

namespace tbb {

struct split {};
struct simple_partitioner {};

struct task_scheduler_observer {
  virtual ~task_scheduler_observer() = default;
  virtual void on_scheduler_entry(bool) {}
  virtual void on_scheduler_exit(bool) {}
  void observe(bool) {}
};

struct global_control {
  enum parameter { max_allowed_parallelism };
  global_control(parameter, std::size_t) {}
};

struct task_arena {
  task_arena(int, unsigned) {}
  void initialize() {}
};

namespace this_task_arena {
template <class Work>
auto isolate(const Work& work) {
  return work();
}
inline int max_concurrency() { return 1; }
}  // namespace this_task_arena

template <class Index>
class blocked_range {
 public:
  blocked_range(Index begin, Index end, std::size_t = 1) : begin_(begin), end_(end) {}
  Index begin() const { return begin_; }
  Index end() const { return end_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return !(begin_ < end_); }

 private:
  Index begin_, end_;
};

template <class Range, class Work>
void parallel_for(const Range& range, const Work& work) {
  work(range);
}
template <class Range, class Work>
void parallel_reduce(const Range& range, Work& work) {
  work(range);
}
template <class Range, class Work, class Partitioner>
void parallel_deterministic_reduce(const Range& range, Work& work, Partitioner) {
  work(range);
}

}  // namespace tbb
