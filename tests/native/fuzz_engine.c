/* libFuzzer's program for the engine: no plan may make it read or write outside of its memory; run by `make fuzz`.

An input is: the number of the plan's words (4 bytes), the plan, the constants. What the engine accepts is run with every
instruction set of this processor, as a sample and as a step. The memory of a call is one block, in which
AddressSanitizer sees no borders, so the engine is compiled into this file with other names for malloc and free: between
the values there is a pattern, which must still be there in the end. */
#include <stdlib.h>
#include <string.h>

static void *patterned(size_t bytes);
static void checked(void *block);
#define malloc patterned
#define free checked
#include "../../runtime/native/engine.c"
#undef malloc
#undef free

#include "../../runtime/native/cpu.h"
#include "made_up_input.h"

#define MAX_RUN_BYTES ((size_t)1 << 20)
#define MAX_RUN_STEPS 16
/* Multiplications of a sample. */
#define MAX_RUN_COST 4e6
/* More than the rows that any instruction set computes together. */
#define SAMPLES 5
#define PATTERN 0xA5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static const edgernn_program *running;
static size_t lanes; /* of the call that is running */

static void *patterned(size_t bytes) {
    void *block = malloc(bytes);
    if (block) {
        memset(block, PATTERN, bytes);
    }
    return block;
}

/* Marks what belongs to a lane, in all lanes. */
static void own(uint8_t *owned, size_t place, size_t bytes) { memset(owned + place * lanes, 1, bytes * lanes); }

/* Marks what instructions may write besides values. */
static void own_scratch(uint8_t *owned, const instruction *i) {
    const size_t size = i->type == INT8 ? 1 : 4;
    if (i->b_repeats) {
        own(owned, i->expanded, (size_t)i->elements * size * (i->is_whole ? running->steps : 1));
    }
    if (i->op == OP_CONVOLUTION) {
        own(owned, i->as.convolution.window, (size_t)(i->as.convolution.kernel * i->as.convolution.channels) * size);
    }
}

static void checked(void *block) {
    const size_t bytes = running->work_bytes * lanes;
    const uint8_t *start = (const uint8_t *)(((uintptr_t)block + 63u) & ~(uintptr_t)63);
    uint8_t *owned = calloc(bytes, 1);
    for (int64_t k = 0; k < running->value_count; k++) {
        const value *v = running->values + k;
        if (v->base == k && v->constant < 0 && !(k == running->input_number && running->float_input)) {
            const size_t times = v->is_per_step ? running->steps : 1;
            own(owned, v->place, times * (size_t)v->elements * (v->type == INT8 ? 1 : 4));
        }
    }
    for (int64_t k = 0; k < running->instruction_count; k++) {
        own_scratch(owned, running->instructions + k);
    }
    for (size_t k = 0; k < bytes; k++) {
        if (!owned[k] && start[k] != PATTERN) {
            abort(); /* an instruction wrote between two values */
        }
    }
    free(owned);
    free(block);
}

static double cost_of(const instruction *i) {
    switch (i->op) {
        case OP_LINEAR:
            return (double)i->elements * (i->type == INT8 ? i->as.linear.i8.inputs : i->as.linear.f32.inputs);
        case OP_CONVOLUTION: return (double)i->elements * (double)(i->as.convolution.kernel * i->as.convolution.channels);
        case OP_REDUCE: return (double)i->as.reduce.outer * (double)(i->as.reduce.count * i->as.reduce.inner);
        case OP_POOL: return (double)i->elements * (double)i->as.pool.kernel;
        default: return (double)i->elements;
    }
}

static int is_cheap(const edgernn_program *program) {
    double cost = 0;
    for (int64_t k = 0; k < program->instruction_count; k++) {
        const instruction *i = program->instructions + k;
        cost += 10 + cost_of(i);
        if (i->op == OP_REPEAT) {
            const double rounds = (double)i->as.repeat.rounds;
            for (int64_t body = 0; body < i->as.repeat.body; body++) {
                cost += rounds * (10 + cost_of(i + 1 + body));
            }
            cost += rounds * (double)(i->as.repeat.block_bytes + i->as.repeat.answer_bytes);
        }
    }
    return cost * (double)program->steps <= MAX_RUN_COST && program->work_bytes <= MAX_RUN_BYTES &&
           program->steps <= MAX_RUN_STEPS;
}

static void run_program(const edgernn_program *program) {
    edgernn_sizes sizes;
    edgernn_get_sizes(program, &sizes);
    /* As many as run side by side, so that all calls have the same lanes. */
    const size_t samples = sizes.lanes < SAMPLES ? sizes.lanes : SAMPLES;
    /* Blocks of the exact size: a byte beyond is a finding. */
    const size_t bytes = samples * sizes.steps * sizes.row_bytes;
    uint8_t *x = malloc(bytes), *answers = malloc(samples * sizes.answer_bytes);
    fill_input(x, bytes, sizes.float_input);
    running = program;
    lanes = samples;
    edgernn_run(program, x, samples, answers, NULL);
    lanes = 1;
    edgernn_run(program, x, 1, answers, NULL);
    if (sizes.streams) {
        uint8_t *states = malloc(sizes.state_bytes), *answer = malloc(sizes.step_answer_bytes);
        uint8_t *row = malloc(sizes.row_bytes);
        memcpy(row, x, sizes.row_bytes);
        edgernn_zero_states(program, states);
        for (int step = 0; step < 2; step++) {
            edgernn_step(program, row, states, answer, 0);
        }
        free(row);
        free(states);
        free(answer);
    }
    free(x);
    free(answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint32_t words;
    if (size < sizeof words) {
        return 0;
    }
    memcpy(&words, data, sizeof words);
    if (words > (size - sizeof words) / 4) {
        return -1;
    }
    const size_t constant_bytes = size - sizeof words - 4 * (size_t)words;
    int32_t *plan = malloc(4 * (size_t)words);
    uint8_t *constants = malloc(constant_bytes);
    memcpy(plan, data + sizeof words, 4 * (size_t)words);
    memcpy(constants, data + sizeof words + 4 * (size_t)words, constant_bytes);
    for (unsigned each = EDGERNN_SCALAR; each <= EDGERNN_LAST_INSTRUCTION_SET; each <<= 1) {
        const edgernn_kernels *kernels = edgernn_instruction_sets() & each ? edgernn_kernels_of(each) : NULL;
        const char *reason = NULL;
        if (!kernels) {
            continue;
        }
        edgernn_program *program = edgernn_open(plan, words, constants, constant_bytes, kernels, &reason);
        if (!program) {
            if (!reason) {
                abort(); /* a refusal without a reason */
            }
            break;
        }
        if (is_cheap(program)) {
            run_program(program);
        }
        edgernn_close(program);
    }
    free(plan);
    free(constants);
    return 0;
}

/* Half of the mutations are of whole words of the plan: to small numbers, to other words, by one. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    uint32_t words = 0;
    if (size >= sizeof words) {
        memcpy(&words, data, sizeof words);
    }
    if (seed % 2 || !words || words > (size - sizeof words) / 4) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    static const int32_t interesting[] = {-1, 0,   1,    2,       3,       4,       15,        16,        17,
                                          63, 127, -128, 1 << 16, 1 << 20, 1 << 24, INT32_MAX, INT32_MIN, 0x7fc00000};
    for (unsigned edits = 1 + seed / 2 % 3; edits; edits--) {
        seed = seed * 1664525u + 1013904223u;
        uint8_t *place = data + 4 + 4 * (size_t)((seed >> 8) % words);
        int32_t word;
        memcpy(&word, place, sizeof word);
        seed = seed * 1664525u + 1013904223u;
        switch (seed >> 8 & 3) {
            case 0: word = (int32_t)((uint32_t)word + 1); break;
            case 1: word = (int32_t)((uint32_t)word - 1); break;
            case 2: word = interesting[(seed >> 12) % (sizeof interesting / sizeof *interesting)]; break;
            default: memcpy(&word, data + 4 + 4 * (size_t)((seed >> 12) % words), sizeof word);
        }
        memcpy(place, &word, sizeof word);
    }
    return size;
}
