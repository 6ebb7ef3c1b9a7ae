/* Kernels for x86-64 with AVX-VNNI: products of unsigned inputs, x + 128. */
#include "kernels.h"

#define KERNELS edgernn_kernels_avxvnni
#define NAME "avxvnni"
#define TILE_ROWS 2
#define INPUT_OFFSET 128

#define INPUTS(x) _mm256_xor_si256(x, _mm256_set1_epi8((char)-128))
#define DOT(sums, x, weights) _mm256_dpbusd_avx_epi32(sums, x, weights)

#include "kernels_avx2_body.h"
#include "kernels_body.h"
