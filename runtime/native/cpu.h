/* Instruction sets that this processor and its operating system can run. */
#ifndef EDGERNN_CPU_H
#define EDGERNN_CPU_H

/* One bit each, from slow to fast. The kernels of NAME are in kernels_NAME.c; those of avx512vbmi are in
kernels_avx512vnni.c. */
enum edgernn_instruction_set {
    EDGERNN_SCALAR = 1 << 0,     /* plain C; every processor has it */
    EDGERNN_NEON = 1 << 1,       /* Arm Advanced SIMD */
    EDGERNN_NEONDOT = 1 << 2,    /* and SDOT, 64-bit only */
    EDGERNN_AVX2 = 1 << 3,       /* AVX2 and FMA */
    EDGERNN_AVXVNNI = 1 << 4,    /* and VPDPBUSD in its VEX encoding */
    EDGERNN_AVX512VNNI = 1 << 5, /* AVX2, FMA, and AVX-512 F, BW, DQ, VL, VNNI */
    EDGERNN_AVX512VBMI = 1 << 6  /* and AVX-512 VBMI */
};
#define EDGERNN_LAST_INSTRUCTION_SET EDGERNN_AVX512VBMI

/* Returns the bits of the instruction sets that can run; EDGERNN_SCALAR always can. NEON needs a build for ARMv7 or
ARMv8. */
unsigned edgernn_instruction_sets(void);

/* Returns the name of an instruction set, such as "avx2"; NULL for a value that is not one bit. */
const char *edgernn_instruction_set_name(unsigned instruction_set);

#endif
