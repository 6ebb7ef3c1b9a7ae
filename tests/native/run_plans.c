/* Runs plans and prints for each instruction set of this processor its name and a digest of the answers of each plan.

    run_plans FILE...

A file is an input of fuzz_engine.c: the number of the plan's words (4 bytes), the plan, the constants. A program is run
on a batch, on one sample after the other and, with a step, row by row; if the answers differ, the digest is
"differs". */
#include <stdio.h>
#include <stdlib.h>

#include "../../runtime/native/cpu.h"
#include "../../runtime/native/engine.h"
#include "made_up_input.h"

#define SAMPLES 21 /* more than run side by side */
#define MAX_FILE_BYTES (1 << 20)

static void *checked(void *block) {
    if (!block) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return block;
}

static uint32_t digest(const uint8_t *bytes, size_t count) {
    uint32_t sum = 2166136261u;
    for (size_t k = 0; k < count; k++) {
        sum = (sum ^ bytes[k]) * 16777619u;
    }
    return sum;
}

/* Answers the first sample row by row; true if the last answer is that of the whole sample. */
static int streams_as_whole(const edgernn_program *program, const edgernn_sizes *sizes, const uint8_t *x,
                            const uint8_t *whole) {
    uint8_t *states = checked(malloc(sizes->state_bytes)), *answer = checked(malloc(sizes->step_answer_bytes));
    edgernn_zero_states(program, states);
    for (size_t step = 0; step < sizes->steps; step++) {
        edgernn_step(program, x + step * sizes->row_bytes, states, answer, 0);
    }
    const uint8_t *last = whole + sizes->answer_bytes - sizes->step_answer_bytes;
    const int same = memcmp(answer, last, sizes->step_answer_bytes) == 0;
    free(states);
    free(answer);
    return same;
}

/* Answers one sample after the other; true if the answers are those of the batch. */
static int is_as_alone(const edgernn_program *program, const edgernn_sizes *sizes, const uint8_t *x,
                       const uint8_t *answers) {
    uint8_t *answer = checked(malloc(sizes->answer_bytes));
    int same = 1;
    for (size_t sample = 0; sample < SAMPLES; sample++) {
        edgernn_run(program, x + sample * sizes->steps * sizes->row_bytes, 1, answer, NULL);
        same &= memcmp(answer, answers + sample * sizes->answer_bytes, sizes->answer_bytes) == 0;
    }
    free(answer);
    return same;
}

static void run_plan(const char *path, const edgernn_kernels *kernels) {
    static union {
        uint8_t bytes[MAX_FILE_BYTES];
        int32_t words[MAX_FILE_BYTES / 4];
    } file;
    FILE *stream = checked(fopen(path, "rb"));
    const size_t read = fread(file.bytes, 1, sizeof file, stream), words = (size_t)file.words[0];
    fclose(stream);
    const uint8_t *constants = file.bytes + 4 + 4 * words;
    const char *reason = "";
    edgernn_program *program = edgernn_open(file.words + 1, words, constants, read - 4 - 4 * words, kernels, &reason);
    if (!program) {
        fprintf(stderr, "%s: %s\n", path, reason);
        exit(2);
    }
    edgernn_sizes sizes;
    edgernn_get_sizes(program, &sizes);
    const size_t bytes = SAMPLES * sizes.steps * sizes.row_bytes, answer_bytes = SAMPLES * sizes.answer_bytes;
    uint8_t *x = checked(malloc(bytes)), *answers = checked(malloc(answer_bytes));
    fill_input(x, bytes, sizes.float_input);
    edgernn_run(program, x, SAMPLES, answers, NULL);
    if (!is_as_alone(program, &sizes, x, answers) ||
        (sizes.streams && !streams_as_whole(program, &sizes, x, answers))) {
        printf(" differs");
    } else {
        printf(" %08lx", (unsigned long)digest(answers, answer_bytes));
    }
    free(x);
    free(answers);
    edgernn_close(program);
}

int main(int count, char **paths) {
    for (unsigned each = EDGERNN_SCALAR; each <= EDGERNN_LAST_INSTRUCTION_SET; each <<= 1) {
        const edgernn_kernels *kernels = edgernn_instruction_sets() & each ? edgernn_kernels_of(each) : NULL;
        if (kernels) {
            printf("%s", kernels->name);
            for (int k = 1; k < count; k++) {
                run_plan(paths[k], kernels);
            }
            printf("\n");
        }
    }
    return 0;
}
