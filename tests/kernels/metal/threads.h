// What naga's Metal output needs of Metal, so that a shader runs on a CPU: a thread for each invocation,
// and a simdgroup's matrices in every lane. A lane reads all of a matrix that is loaded; of a sum it
// computes and stores its own values alone, value i in lane i % lanes. Whatever one lane writes and another
// reads goes through memory, where ThreadSanitizer sees it.
#include <pthread.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

typedef _Float16 half;

namespace metal {
typedef unsigned uint;

template <class T, int N> struct Vec;
template <class T> struct alignas(2 * sizeof(T)) Vec<T, 2> {
  T x, y;
  Vec(T x = 0) : x(x), y(x) {}
  Vec(T x, T y) : x(x), y(y) {}
  template <class U> explicit Vec(Vec<U, 2> o) : x(T(o.x)), y(T(o.y)) {}
  template <class F> auto map(F f, Vec o) const { return Vec<decltype(f(x, x)), 2>(f(x, o.x), f(y, o.y)); }
};
template <class T> struct alignas(4 * sizeof(T)) Vec<T, 3> {
  T x, y, z;
  Vec(T x = 0) : x(x), y(x), z(x) {}
  Vec(T x, T y, T z) : x(x), y(y), z(z) {}
  template <class F> auto map(F f, Vec o) const { return Vec<decltype(f(x, x)), 3>(f(x, o.x), f(y, o.y), f(z, o.z)); }
};
template <class T> struct alignas(4 * sizeof(T)) Vec<T, 4> {
  T x, y, z, w;
  Vec(T x = 0) : x(x), y(x), z(x), w(x) {}
  Vec(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}
  template <class U> explicit Vec(Vec<U, 4> o) : x(T(o.x)), y(T(o.y)), z(T(o.z)), w(T(o.w)) {}
  template <class F> auto map(F f, Vec o) const {
    return Vec<decltype(f(x, x)), 4>(f(x, o.x), f(y, o.y), f(z, o.z), f(w, o.w));
  }
};
#define OPERATOR(op)                                                                               \
  template <class T, int N> auto operator op(Vec<T, N> a, Vec<T, N> b) {                           \
    return a.map([](T a, T b) { return a op b; }, b);                                              \
  }                                                                                                \
  template <class T, int N, class S> auto operator op(Vec<T, N> a, S b) { return a op Vec<T, N>(T(b)); } \
  template <class T, int N, class S> auto operator op(S a, Vec<T, N> b) { return Vec<T, N>(T(a)) op b; }
OPERATOR(+) OPERATOR(-) OPERATOR(*) OPERATOR(/) OPERATOR(<)
OPERATOR(&) OPERATOR(|) OPERATOR(^) OPERATOR(>>) OPERATOR(<<)
#undef OPERATOR

typedef Vec<uint, 2> uint2;
typedef Vec<uint, 3> uint3;
typedef Vec<uint, 4> uint4;
typedef Vec<bool, 4> bool4;
typedef Vec<float, 2> float2;
typedef Vec<float, 4> float4;
typedef Vec<half, 4> half4;

inline float exp(float x) { return expf(x); }
inline float exp2(float x) { return exp2f(x); }
inline float log2(float x) { return log2f(x); }
inline float4 exp2(float4 x) { return {exp2f(x.x), exp2f(x.y), exp2f(x.z), exp2f(x.w)}; }
inline float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
template <class T> T min(T a, T b) { return a < b ? a : b; }
template <class T> T max(T a, T b) { return a > b ? a : b; }
template <class T> T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <class T> T select(T no, T yes, bool which) { return which ? yes : no; }
template <class T> Vec<T, 4> select(Vec<T, 4> no, Vec<T, 4> yes, bool4 which) {
  return {which.x ? yes.x : no.x, which.y ? yes.y : no.y, which.z ? yes.z : no.z, which.w ? yes.w : no.w};
}

// Where an invocation is.
struct Invocation {
  uint3 group, groups;
  uint index, subgroups, subgroup, lanes, lane;
};
inline thread_local Invocation here;

inline pthread_barrier_t barrier;
struct mem_flags { static const int mem_threadgroup = 1; };
inline void threadgroup_barrier(int) { pthread_barrier_wait(&barrier); }

template <class T, int N> struct Matrix { T values[N * N] = {}; };
typedef Matrix<half, 8> simdgroup_half8x8;
typedef Matrix<float, 8> simdgroup_float8x8;
typedef Matrix<half, 16> simdgroup_half16x16;
typedef Matrix<float, 16> simdgroup_float16x16;

template <class T, int N> void simdgroup_load(Matrix<T, N> &m, const T *from, int stride, int, bool transpose) {
  for (int i = 0; i < N * N; i++) m.values[i] = transpose ? from[i % N * stride + i / N] : from[i / N * stride + i % N];
}
template <class T, int N>
void simdgroup_store(const Matrix<T, N> &m, T *to, int stride, int = 0, bool transpose = false) {
  for (uint i = here.lane; i < N * N; i += here.lanes)
    (transpose ? to[i % N * stride + i / N] : to[i / N * stride + i % N]) = m.values[i];
}
template <int N>
__attribute__((no_sanitize("thread"))) void simdgroup_multiply_accumulate(
    Matrix<float, N> &d, const Matrix<half, N> &a, const Matrix<half, N> &b, const Matrix<float, N> &c) {
  for (uint i = here.lane; i < N * N; i += here.lanes) {
    float sum = c.values[i];
    for (int k = 0; k < N; k++) sum += float(a.values[i / N * N + k]) * float(b.values[k * N + i % N]);
    d.values[i] = sum;
  }
}

// An argument of the shader: whatever it takes memory for.
struct Memory {
  void *at;
  template <class T> operator T &() const { return *(T *)at; }
};

const uint MEMORIES = 8, MEMORY_BYTES = 96 << 10;
alignas(64) inline char shared[MEMORIES][MEMORY_BYTES];

// Runs `invoke` for every invocation on the arrays of the files 0, 1, ... of the current folder, which
// afterwards hold the results: program LANES GROUPS GROUPS.
inline int run(char **arguments, uint threads, uint arrays, void (*invoke)(const Invocation &, char *const *)) {
  const uint lanes = atoi(arguments[1]), wide = atoi(arguments[2]), high = atoi(arguments[3]);
  std::vector<std::vector<char>> files;
  std::vector<char *> buffers;
  for (uint i = 0; i < arrays; i++) {
    std::ifstream file(std::to_string(i), std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  for (auto &file : files) buffers.push_back(file.data());
  pthread_barrier_init(&barrier, 0, threads);
  std::vector<std::thread> all;
  for (uint index = 0; index < threads; index++)
    all.emplace_back([=] {
      for (uint group = 0; group < wide * high; group++) {
        // What no one wrote is not a number.
        if (index == 0) memset(shared, 0xff, sizeof shared);
        threadgroup_barrier(0);
        here = {uint3(group % wide, group / wide, 0), uint3(wide, high, 1), index, threads / lanes, index / lanes, lanes, index % lanes};
        invoke(here, buffers.data());
        threadgroup_barrier(0);
      }
    });
  for (auto &thread : all) thread.join();
  for (uint i = 0; i < arrays; i++) std::ofstream(std::to_string(i), std::ios::binary).write(files[i].data(), files[i].size());
  return 0;
}
}  // namespace metal

template <class T> T as_type(unsigned bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#define device
#define threadgroup
#define thread
#define constant const
#define kernel static
