/* The kernels of each instruction set that this extension was compiled with. */
#include "kernels.h"

#include "cpu.h"

const edgernn_kernels *edgernn_kernels_of(unsigned instruction_set) {
    switch (instruction_set) {
#if defined(__x86_64__)
        case EDGERNN_AVX2: return &edgernn_kernels_avx2;
        case EDGERNN_AVXVNNI: return &edgernn_kernels_avxvnni;
        case EDGERNN_AVX512VNNI: return &edgernn_kernels_avx512vnni;
        case EDGERNN_AVX512VBMI: return &edgernn_kernels_avx512vbmi;
#endif
#if defined(EDGERNN_HAS_NEON)
        case EDGERNN_NEON: return &edgernn_kernels_neon;
#endif
#if defined(__aarch64__)
        case EDGERNN_NEONDOT: return &edgernn_kernels_neondot;
#endif
        case EDGERNN_SCALAR: return &edgernn_kernels_scalar;
        default: return NULL;
    }
}
