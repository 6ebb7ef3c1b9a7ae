/* Kernels for x86-64 with AVX2 and FMA. */
#include "kernels.h"

#define KERNELS edgernn_kernels_avx2
#define NAME "avx2"
#define TILE_ROWS 2
#define INPUT_OFFSET 0

/* maddubs multiplies unsigned by signed bytes: |x| and the weight with the sign of x. Sums of two such products stay
within 2 × 128 × 127, so they never saturate, because no weight is -128. */
#define INPUTS(x) (x)
#define DOT(sums, x, weights)                                                                           \
    _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x),                   \
                                                                  _mm256_sign_epi8(weights, x)),        \
                                             _mm256_set1_epi16(1)))

#include "kernels_avx2_body.h"
#include "kernels_body.h"
