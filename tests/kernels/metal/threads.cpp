// Runs a shader's invocations (threads.h) and reports what no barrier orders. The invocations of a
// workgroup go from barrier to barrier one after the other, each on a stack of its own, so that a run is the
// same each time and a race is found whoever would have won it: of every two bytes it is known who read
// and wrote them since the last barrier that orders them. The compiler tells of each access, as it would
// ThreadSanitizer (-fsanitize=thread), whose functions are defined here.
//
//   shader LANES GROUPS GROUPS [BARRIER]
//
// takes the arrays of the files 0, 1, ... of the current folder, which afterwards hold the results. With
// a barrier's number it is left out, the first report ends the run, and the files stay. Prints
// the numbers of the barriers that were reached, and of reports.
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>
#include "threads.h"

namespace metal {
const Invocation *here;

namespace {
const size_t MEMORIES = 8, MEMORY_BYTES = 96 << 10, SHARED_BYTES = MEMORIES * MEMORY_BYTES;
// Between arrays, where nobody has anything to do.
const size_t GAP = 4096;
const size_t STACK_BYTES = 1 << 20;
const int RUNNING = -1, ENDED = -2;

// Who used two bytes, and when: a period goes from barrier to barrier. No barrier orders what different
// workgroups do to an array.
struct Cell {
  uint written, writer, read, reader;
};
// Several threads, of one workgroup if one of them is named besides.
const uint MANY = ~0u, NOBODY = MANY - 1, SEVERAL = 1u << 31, OUTSIDE = ~0u;

char *memory;
size_t memory_bytes;
std::vector<Cell> cells;
size_t sizes[MEMORIES];
std::vector<char *> arrays;
std::vector<size_t> lengths;

// Of workgroup memory, and of arrays.
uint period, array_period, number_of_group, last_barrier, reports;
int left_out = -1;
std::set<uint> reached, storage_barriers;

ucontext_t scheduler;
std::vector<ucontext_t> stacks;
std::vector<Invocation> invocations;
// At which barrier each one is.
std::vector<int> places;

// Counts a defect and tells of the first few.
template <class... Values> void report(const char *format, Values... values) {
  if (reports++ < 5) fprintf(stderr, format, values...);
  if (left_out < 0) return;
  printf("1 reports\n");
  fflush(stdout);
  _exit(0);
}

// What an invocation did there, and to what another one had done.
void report_access(size_t place, const char *did, uint other) {
  const bool is_shared = place < SHARED_BYTES;
  size_t number = place / MEMORY_BYTES, first = number * MEMORY_BYTES;
  if (!is_shared)
    for (number = 0; number + 1 < arrays.size() && size_t(arrays[number + 1] - memory) <= place;) number++;
  if (!is_shared) first = arrays[number] - memory;
  const uint one = other & ~SEVERAL;
  std::string by = other == one ? "thread " + std::to_string(one % THREADS) : "several";
  by += " of workgroup " + std::to_string(one / THREADS);
  if (other == MANY) by = "several";
  if (other == NOBODY) by = "";
  report("%s %zu, byte %zd, after barrier %u: thread %u of workgroup %u %s %s\n",
         is_shared ? "workgroup memory" : "array", number, ptrdiff_t(place - first), last_barrier, here->index,
         number_of_group, did, by.c_str());
}

// The workgroup of who used something, which is not MANY.
uint group_of(uint who) { return (who & ~SEVERAL) / THREADS; }

// Whether no barrier lies between what `other` did to something in the period `then`, if anything, and now.
bool is_open(bool is_shared, uint then, uint other) {
  if (is_shared) return then == period;
  return then != 0 && (then == array_period || other == MANY || group_of(other) != number_of_group);
}

void access(const void *at, size_t bytes, bool writing) {
  const size_t first = (const char *)at - memory;
  if (first >= memory_bytes) return;
  const bool is_shared = first < SHARED_BYTES;
  const uint now = is_shared ? period : array_period, who = number_of_group * THREADS + here->index;
  const char *did = nullptr;
  uint other = NOBODY;
  for (size_t place = first / 2; place <= (first + bytes - 1) / 2; place++) {
    Cell &cell = cells[place];
    if (cell.written == OUTSIDE) {
      did = "goes beyond its end";
      continue;
    }
    if (cell.writer != who && is_open(is_shared, cell.written, cell.writer)) {
      did = writing ? "writes what was written by" : "reads what was written by";
      other = cell.writer;
    } else if (writing && cell.reader != who && is_open(is_shared, cell.read, cell.reader)) {
      did = "writes what was read by";
      other = cell.reader;
    }
    if (writing) {
      cell.written = now, cell.writer = who;
    } else if (!is_open(is_shared, cell.read, cell.reader)) {
      cell.read = now, cell.reader = who;
    } else if (cell.reader != who) {
      const bool is_own = cell.reader != MANY && group_of(cell.reader) == number_of_group;
      cell.reader = is_own ? SEVERAL | who : MANY;
    }
  }
  if (did) report_access(first, did, other);
}

void outside(size_t from, size_t to) {
  for (size_t place = (from + 1) / 2; place < to / 2; place++) cells[place].written = OUTSIDE;
}

void wait(int place) {
  const uint index = here->index;
  places[index] = place;
  swapcontext(&stacks[index], &scheduler);
}

void live() {
  for (;;) {
    invoke(*here, arrays.data());
    wait(ENDED);
  }
}

// A stack for each invocation, below which there is nothing.
void make_stacks() {
  const size_t bytes = STACK_BYTES + GAP;
  char *all = (char *)mmap(0, THREADS * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  stacks.resize(THREADS);
  for (uint index = 0; index < THREADS; index++) {
    mprotect(all + index * bytes, GAP, PROT_NONE);
    getcontext(&stacks[index]);
    stacks[index].uc_stack.ss_sp = all + index * bytes + GAP;
    stacks[index].uc_stack.ss_size = STACK_BYTES;
    makecontext(&stacks[index], live, 0);
  }
}

// From barrier to barrier, until all have ended.
void run_group() {
  // What no one wrote is not a number.
  memset(memory, 0xff, SHARED_BYTES);
  places.assign(THREADS, RUNNING);
  period++, array_period++;
  for (uint ended = 0; ended < THREADS;) {
    for (uint index = 0; index < THREADS; index++) {
      if (places[index] == ENDED) continue;
      here = &invocations[index];
      swapcontext(&scheduler, &stacks[index]);
      if (places[index] == ENDED) ended++;
    }
    for (uint index = 1; index < THREADS; index++)
      if (places[index] != places[0]) {
        report("threads 0 and %u of workgroup %u are not at the same barrier: %d and %d\n", index, number_of_group,
               places[0], places[index]);
        break;
      }
    if (places[0] >= 0) last_barrier = places[0];
    (storage_barriers.count(last_barrier) ? array_period : period)++;
  }
}

// The arrays of the files, behind the workgroups' memory.
void read_arrays() {
  std::vector<std::vector<char>> files;
  memory_bytes = SHARED_BYTES + GAP;
  for (uint i = 0; i < ARRAYS; i++) {
    std::ifstream file(std::to_string(i), std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    memory_bytes += (files[i].size() + 2 * GAP - 1) / GAP * GAP;
  }
  memory = (char *)aligned_alloc(GAP, memory_bytes);
  cells.resize(memory_bytes / 2 + 8);
  size_t end = SHARED_BYTES;
  for (auto &file : files) {
    const size_t first = (end + 2 * GAP - 1) / GAP * GAP;
    outside(end, first);
    arrays.push_back(memory + first);
    lengths.push_back(file.size());
    memcpy(memory + first, file.data(), file.size());
    end = first + file.size();
  }
  outside(end, memory_bytes);
}
}  // namespace

void barrier(uint number) {
  if (int(number) == left_out) return;
  reached.insert(number);
  wait(number);
}

void storage_barrier(uint number) {
  storage_barriers.insert(number);
  barrier(number);
}

void reads(const void *from, size_t bytes) { access(from, bytes, false); }
void writes(void *to, size_t bytes) { access(to, bytes, true); }

void *shared_memory(uint number, size_t bytes) {
  if (number >= MEMORIES || bytes > MEMORY_BYTES) {
    fprintf(stderr, "workgroup memory %u of %zu bytes is more than there is\n", number, bytes);
    abort();
  }
  if (sizes[number] == 0) {
    sizes[number] = bytes;
    outside(number * MEMORY_BYTES + bytes, (number + 1) * MEMORY_BYTES);
  }
  return memory + number * MEMORY_BYTES;
}
}  // namespace metal

#define ACCESS(kind, writing)                                                                    \
  void __tsan_##kind##1(void *at) { metal::access(at, 1, writing); }                             \
  void __tsan_##kind##2(void *at) { metal::access(at, 2, writing); }                             \
  void __tsan_##kind##4(void *at) { metal::access(at, 4, writing); }                             \
  void __tsan_##kind##8(void *at) { metal::access(at, 8, writing); }                             \
  void __tsan_##kind##16(void *at) { metal::access(at, 16, writing); }                           \
  void __tsan_##kind##_range(void *at, size_t bytes) { metal::access(at, bytes, writing); }
extern "C" {
ACCESS(read, false) ACCESS(write, true) ACCESS(unaligned_read, false) ACCESS(unaligned_write, true)
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
}

int main(int count, char **arguments) {
  using namespace metal;
  const uint lanes = atoi(arguments[1]), wide = atoi(arguments[2]), high = atoi(arguments[3]);
  if (count > 4) left_out = atoi(arguments[4]);
  read_arrays();
  make_stacks();
  invocations.resize(THREADS);
  for (number_of_group = 0; number_of_group < wide * high; number_of_group++) {
    for (uint i = 0; i < THREADS; i++) {
      const uint3 group(number_of_group % wide, number_of_group / wide, 0), groups(wide, high, 1);
      const uint3 position(i % WIDE, i / WIDE, 0);
      invocations[i] = {group, groups, position, i, THREADS / lanes, i / lanes, lanes, i % lanes};
    }
    run_group();
  }
  for (uint number : reached) printf("%u ", number);
  printf("reached\n%u reports\n", reports);
  if (left_out >= 0) return 0;
  for (uint i = 0; i < ARRAYS; i++)
    std::ofstream(std::to_string(i), std::ios::binary).write(arrays[i], lengths[i]);
}
