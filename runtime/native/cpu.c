/* Instruction sets, read from the processor or the kernel. __builtin_cpu_supports is not used, because it always returns
   0 in a shared library that zig links. */
#include "cpu.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Bits as named in Intel's manual, volume 2A, CPUID. */
enum {
    LEAF1_ECX_FMA = 1 << 12,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF1_ECX_AVX = 1 << 28,
    LEAF7_EBX_AVX2 = 1 << 5,
    LEAF7_EBX_AVX512F = 1 << 16,
    LEAF7_EBX_AVX512DQ = 1 << 17,
    LEAF7_EBX_AVX512BW = 1 << 30,
    LEAF7_ECX_AVX512VBMI = 1 << 1,
    LEAF7_ECX_AVX512VNNI = 1 << 11,
    LEAF7_1_EAX_AVXVNNI = 1 << 4,
    /* Registers that the operating system saves for each process: XMM, YMM; opmask, upper ZMM, ZMM 16 to 31. */
    XCR0_AVX = 0x06,
    XCR0_AVX512 = 0xE6
};
#define LEAF7_EBX_AVX512VL (1u << 31)

static int has(unsigned value, unsigned bits) { return (value & bits) == bits; }

/* The low half of XCR0. It can be read only if CPUID reports OSXSAVE. */
static unsigned saved_registers(void) {
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

unsigned edgernn_instruction_sets(void) {
    unsigned found = EDGERNN_SCALAR, eax, ebx, ecx, edx, leaf1_ecx, subleaves;
    if (!__get_cpuid(1, &eax, &ebx, &leaf1_ecx, &edx)) return found;
    if (!has(leaf1_ecx, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX | LEAF1_ECX_FMA)) return found;
    const unsigned saved = saved_registers();
    if (!has(saved, XCR0_AVX)) return found;
    if (!__get_cpuid_count(7, 0, &subleaves, &ebx, &ecx, &edx) || !has(ebx, LEAF7_EBX_AVX2)) return found;
    found |= EDGERNN_AVX2;
    const unsigned avx512 = LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL;
    if (has(saved, XCR0_AVX512) && has(ebx, avx512) && has(ecx, LEAF7_ECX_AVX512VNNI)) {
        found |= has(ecx, LEAF7_ECX_AVX512VBMI) ? EDGERNN_AVX512VNNI | EDGERNN_AVX512VBMI : EDGERNN_AVX512VNNI;
    }
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && has(eax, LEAF7_1_EAX_AVXVNNI)) {
        found |= EDGERNN_AVXVNNI;
    }
    return found;
}

#elif defined(__linux__) && (defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7))
#include <sys/auxv.h>

/* Bits of AT_HWCAP in Linux's asm/hwcap.h, which differ between 32 and 64 bits. */
#if defined(__aarch64__)
enum { HWCAP_BIT_NEON = 1 << 1, HWCAP_BIT_DOT = 1 << 20 };
#else
enum { HWCAP_BIT_NEON = 1 << 12 };
#endif

unsigned edgernn_instruction_sets(void) {
    unsigned found = EDGERNN_SCALAR;
    const unsigned long reported = getauxval(AT_HWCAP);
    if (!(reported & HWCAP_BIT_NEON)) return found;
    found |= EDGERNN_NEON;
#if defined(__aarch64__)
    if (reported & HWCAP_BIT_DOT) found |= EDGERNN_NEONDOT;
#endif
    return found;
}

#else

unsigned edgernn_instruction_sets(void) { return EDGERNN_SCALAR; }

#endif

const char *edgernn_instruction_set_name(unsigned instruction_set) {
    switch (instruction_set) {
        case EDGERNN_SCALAR: return "scalar";
        case EDGERNN_NEON: return "neon";
        case EDGERNN_NEONDOT: return "neondot";
        case EDGERNN_AVX2: return "avx2";
        case EDGERNN_AVXVNNI: return "avxvnni";
        case EDGERNN_AVX512VNNI: return "avx512vnni";
        case EDGERNN_AVX512VBMI: return "avx512vbmi";
        default: return NULL;
    }
}
