// What naga's Metal output needs of Metal, so that a shader runs on a CPU: its vectors, functions and a
// simdgroup's matrices, which are whole in every lane. A lane reads all of a matrix that is loaded; of a
// sum it computes and stores its own values alone, value i in lane i % lanes. Whatever one lane writes and
// another reads goes through memory, where threads.cpp sees it.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstring>

typedef _Float16 half;

namespace metal {
typedef unsigned uint;

template <class T, int N> struct Vec;
template <class T> struct alignas(2 * sizeof(T)) Vec<T, 2> {
  T x, y;
  Vec(T x = 0) : x(x), y(x) {}
  Vec(T x, T y) : x(x), y(y) {}
  template <class U> explicit Vec(Vec<U, 2> o) : x(T(o.x)), y(T(o.y)) {}
  T &operator[](uint at) { return (&x)[at]; }
  const T &operator[](uint at) const { return (&x)[at]; }
  template <class F> auto each(F f) const { return Vec<decltype(f(x)), 2>(f(x), f(y)); }
  template <class F> auto with(Vec o, F f) const { return Vec<decltype(f(x, x)), 2>(f(x, o.x), f(y, o.y)); }
};
template <class T> struct alignas(4 * sizeof(T)) Vec<T, 3> {
  T x, y, z;
  Vec(T x = 0) : x(x), y(x), z(x) {}
  Vec(T x, T y, T z) : x(x), y(y), z(z) {}
  T &operator[](uint at) { return (&x)[at]; }
  const T &operator[](uint at) const { return (&x)[at]; }
  template <class F> auto each(F f) const { return Vec<decltype(f(x)), 3>(f(x), f(y), f(z)); }
  template <class F> auto with(Vec o, F f) const {
    return Vec<decltype(f(x, x)), 3>(f(x, o.x), f(y, o.y), f(z, o.z));
  }
};
template <class T> struct alignas(4 * sizeof(T)) Vec<T, 4> {
  T x, y, z, w;
  Vec(T x = 0) : x(x), y(x), z(x), w(x) {}
  Vec(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}
  template <class U> explicit Vec(Vec<U, 4> o) : x(T(o.x)), y(T(o.y)), z(T(o.z)), w(T(o.w)) {}
  T &operator[](uint at) { return (&x)[at]; }
  const T &operator[](uint at) const { return (&x)[at]; }
  template <class F> auto each(F f) const { return Vec<decltype(f(x)), 4>(f(x), f(y), f(z), f(w)); }
  template <class F> auto with(Vec o, F f) const {
    return Vec<decltype(f(x, x)), 4>(f(x, o.x), f(y, o.y), f(z, o.z), f(w, o.w));
  }
};
#define OPERATOR(op)                                                                                     \
  template <class T, int N> auto operator op(Vec<T, N> a, Vec<T, N> b) {                                 \
    return a.with(b, [](T a, T b) { return a op b; });                                                   \
  }                                                                                                      \
  template <class T, int N, class S> auto operator op(Vec<T, N> a, S b) { return a op Vec<T, N>(T(b)); } \
  template <class T, int N, class S> auto operator op(S a, Vec<T, N> b) { return Vec<T, N>(T(a)) op b; }
OPERATOR(+) OPERATOR(-) OPERATOR(*) OPERATOR(/) OPERATOR(<) OPERATOR(==)
OPERATOR(&) OPERATOR(|) OPERATOR(^) OPERATOR(>>) OPERATOR(<<)
#undef OPERATOR
template <class T, int N> auto operator-(Vec<T, N> a) {
  return a.each([](T a) { return -a; });
}

typedef Vec<uint, 2> uint2;
typedef Vec<uint, 3> uint3;
typedef Vec<uint, 4> uint4;
typedef Vec<bool, 4> bool4;
typedef Vec<float, 2> float2;
typedef Vec<float, 4> float4;
typedef Vec<half, 4> half4;

#define FUNCTION(name)                                       \
  inline float name(float x) { return name##f(x); }          \
  template <int N> Vec<float, N> name(Vec<float, N> x) {     \
    return x.each([](float x) { return name##f(x); });       \
  }
FUNCTION(exp) FUNCTION(exp2) FUNCTION(log) FUNCTION(log2) FUNCTION(sqrt)
#undef FUNCTION
inline float dot(float2 a, float2 b) { return a.x * b.x + a.y * b.y; }
inline float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
template <class T> T min(T a, T b) { return a < b ? a : b; }
template <class T> T max(T a, T b) { return a > b ? a : b; }
template <class T, int N> Vec<T, N> min(Vec<T, N> a, Vec<T, N> b) {
  return a.with(b, [](T a, T b) { return a < b ? a : b; });
}
template <class T, int N> Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
  return a.with(b, [](T a, T b) { return a > b ? a : b; });
}
template <class T> T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <class T> T select(T no, T yes, bool which) { return which ? yes : no; }
template <class T> Vec<T, 4> select(Vec<T, 4> no, Vec<T, 4> yes, bool4 which) {
  return {which.x ? yes.x : no.x, which.y ? yes.y : no.y, which.z ? yes.z : no.z, which.w ? yes.w : no.w};
}

// Where an invocation is.
struct Invocation {
  uint3 group, groups, position;
  uint index, subgroups, subgroup, lanes, lane;
};
extern const Invocation *here;

// Of this number in the shader's text. The first orders workgroup memory, the second arrays.
void barrier(uint number);
void storage_barrier(uint number);

// What threads.cpp is told of memory that the compiler tells it nothing of.
void reads(const void *from, size_t bytes);
void writes(void *to, size_t bytes);

#define UNSEEN __attribute__((no_sanitize("thread")))

// f16 values as the f32 that they are.
template <class T, int N> struct Matrix { float values[N * N] = {}; };
typedef Matrix<half, 8> simdgroup_half8x8;
typedef Matrix<float, 8> simdgroup_float8x8;
typedef Matrix<half, 16> simdgroup_half16x16;
typedef Matrix<float, 16> simdgroup_float16x16;

template <class T, int N>
UNSEEN void simdgroup_load(Matrix<T, N> &m, const T *from, int stride, int, bool transpose) {
  for (int line = 0; line < N; line++, from += stride) {
    reads(from, N * sizeof(T));
    for (int i = 0; i < N; i++) m.values[transpose ? i * N + line : line * N + i] = from[i];
  }
}
template <class T, int N>
UNSEEN void simdgroup_store(const Matrix<T, N> &m, T *to, int stride, int = 0, bool transpose = false) {
  for (uint i = here->lane; i < N * N; i += here->lanes) {
    T *value = to + (transpose ? i % N * stride + i / N : i / N * stride + i % N);
    writes(value, sizeof(T));
    *value = T(m.values[i]);
  }
}
// Other drivers load from workgroup memory that is made of quads, and count lines in them.
template <class T, int N>
void simdgroup_load(Matrix<T, N> &m, const Vec<T, 4> *from, int stride, int origin, bool transpose) {
  simdgroup_load(m, (const T *)from, 4 * stride, origin, transpose);
}
template <class T, int N>
void simdgroup_store(const Matrix<T, N> &m, Vec<T, 4> *to, int stride, int origin = 0, bool transpose = false) {
  simdgroup_store(m, (T *)to, 4 * stride, origin, transpose);
}
template <int N>
UNSEEN void simdgroup_multiply_accumulate(
    Matrix<float, N> &d, const Matrix<half, N> &a, const Matrix<half, N> &b, const Matrix<float, N> &c) {
  for (uint i = here->lane; i < N * N; i += here->lanes) {
    float sum = c.values[i];
    for (int k = 0; k < N; k++) sum += a.values[i / N * N + k] * b.values[k * N + i % N];
    d.values[i] = sum;
  }
}

// An argument of the shader: an array that it binds, or memory that a workgroup shares.
struct Bound {
  void *at;
  template <class T> operator T &() const { return *(T *)at; }
};
void *shared_memory(uint number, size_t bytes);
struct Shared {
  uint number;
  template <class T> operator T &() const { return *(T *)shared_memory(number, sizeof(T)); }
};

// What a shader's file defines: columns and threads of a workgroup, and the shader.
extern const uint WIDE, THREADS, ARRAYS;
void invoke(const Invocation &at, char *const *arrays);
}  // namespace metal

template <class T, class U> T as_type(U bits) {
  static_assert(sizeof(T) == sizeof(U));
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#define device
#define threadgroup
#define thread
#define constant const
#define kernel static
