#include <immintrin.h>
typedef int v4 __attribute__((vector_size(16)));
v4 add(v4 a, v4 b) { return a + b * 3; }
__m128i sse(__m128i a, __m128i b) { return _mm_add_epi32(a, b); }
void saxpy(float *restrict y, const float *x, float a, int n) { for (int i = 0; i < n; i++) y[i] += a * x[i]; }
#ifdef __AVX2__
__m256i avx(__m256i a) { return _mm256_abs_epi32(a); }
#endif
