/* Reading a plan: every count, place and size is checked, weights are packed, and memory is laid out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "program.h"

#define MAX_ELEMENTS ((int64_t)1 << 24) /* of a value */
#define MAX_WORK ((size_t)1 << 28)      /* scratch bytes of a call */
#define MAX_PACKED ((size_t)1 << 30)    /* bytes of a program */
#define MAX_COUNT ((int64_t)1 << 20)    /* of values, states and instructions; their tables fit 32 bits */
#define MAX_STEPS ((int64_t)1 << 20)
#define ALIGNMENT 64
/* Maximum number of samples that run side by side. No instruction set computes more rows together. */
#define MAX_LANES 16
/* Maximum scratch bytes of the second and all further lanes together. */
#define MAX_LANES_WORK ((size_t)1 << 20)
/* Kernels may load this many bytes beyond the end of an int8 operand. They do not use these bytes, nor write there. */
#define READ_BEYOND 64

/* A packed matrix, kept because all steps of an unrolled sequence have the same weights. */
typedef struct {
    const uint8_t *weights, *bias, *multipliers;
    int type, inputs, outputs, zero_point; /* the zero point is that of the input */
    edgernn_linear_i8 i8;
    edgernn_linear_f32 f32;
} packed_matrix;

#define KNOWN_MATRICES 16

typedef struct {
    edgernn_program *program;
    const value *input;
    const int32_t *plan;
    packed_matrix known[KNOWN_MATRICES]; /* the last ones */
    size_t known_count;
    size_t words, next;
    size_t constant_bytes, work, packed;
    int64_t section_end; /* of the loop that is being read */
    const char *reason;
} reader;

static int fail(reader *r, const char *reason) {
    if (!r->reason) {
        r->reason = reason;
    }
    return 0;
}

static int32_t word(reader *r) {
    if (r->next >= r->words) {
        fail(r, "the plan is too short");
        return 0;
    }
    return r->plan[r->next++];
}

static float real(reader *r) {
    const int32_t bits = word(r);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static int64_t count(reader *r, int64_t least, int64_t most) {
    const int64_t found = word(r);
    if (found < least || found > most) {
        fail(r, "a number in the plan is out of its range");
        return least;
    }
    return found;
}

/* Allocates zeroed memory that is aligned to 64 bytes and freed with the program. */
static void *new_block(reader *r, size_t bytes) {
    edgernn_program *program = r->program;
    if (program->block_count == program->block_room) {
        const size_t room = 2 * program->block_room + 16;
        void **blocks = realloc(program->blocks, room * sizeof *blocks);
        if (!blocks) {
            fail(r, "out of memory");
            return NULL;
        }
        program->blocks = blocks;
        program->block_room = room;
    }
    /* A small plan can need much memory: only the last KNOWN_MATRICES matrices share their packed weights. */
    if (bytes > MAX_PACKED - r->packed) {
        fail(r, "the program needs too much memory");
        return NULL;
    }
    void *block = calloc(1, bytes + 2 * ALIGNMENT);
    if (!block) {
        fail(r, "out of memory");
        return NULL;
    }
    program->blocks[program->block_count++] = block;
    r->packed += bytes;
    return (uint8_t *)block + (ALIGNMENT - (uintptr_t)block % ALIGNMENT);
}

static size_t size_of(int type) { return type == INT8 ? 1 : 4; }

static size_t reserve(reader *r, size_t bytes) {
    const size_t place = r->work;
    if (bytes > MAX_WORK || r->work > MAX_WORK) {
        fail(r, "the program needs too much memory");
        return 0;
    }
    r->work += (bytes + READ_BEYOND + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return place;
}

/* Reads the position of a constant of `bytes` bytes. */
static const uint8_t *constant(reader *r, size_t bytes, size_t alignment) {
    const int64_t place = word(r);
    if (place < 0 || (size_t)place > r->constant_bytes || bytes > r->constant_bytes - (size_t)place ||
        (size_t)place % alignment) {
        fail(r, "a constant is not within the constants");
        return NULL;
    }
    return r->program->constants + place;
}

static const value *value_at(reader *r, int64_t number) {
    if (number < 0 || number >= r->program->value_count) {
        fail(r, "a value does not exist");
        return r->program->values;
    }
    return r->program->values + number;
}

static const value *next_value(reader *r) { return value_at(r, word(r)); }

static const value *typed_value(reader *r, int type) {
    const value *found = next_value(r);
    if (found->type != type) {
        fail(r, "a value has the wrong type");
    }
    return found;
}

static operand operand_of(const reader *r, const value *v) {
    const edgernn_program *program = r->program;
    const value *base = program->values + v->base;
    const size_t offset = (size_t)v->offset * size_of(v->type), bytes = (size_t)base->elements * size_of(base->type);
    if (base->constant >= 0) {
        return (operand){.memory = IN_CONSTANTS, .place = (size_t)base->constant + offset};
    }
    return (operand){.memory = base == r->input && base->type == FLOAT32 ? IN_INPUT : IN_WORK,
                     .place = base->place + offset,
                     .stride = base->is_per_step ? bytes : 0,
                     .base = base->place,
                     .lane = base->is_per_step ? bytes * program->steps : bytes};
}

static void check_writable(reader *r, operand found) {
    if (found.memory != IN_WORK) {
        fail(r, "an instruction would write to a constant or to the input");
    }
}

static const value *result(reader *r, int type) {
    const value *found = type < 0 ? next_value(r) : typed_value(r, type);
    check_writable(r, operand_of(r, found));
    return found;
}

/* True if a value fills its base, and the base has memory for each time step if `per_step`, for one otherwise. */
static int is_base(const edgernn_program *program, const value *v, int per_step) {
    const value *base = program->values + v->base;
    return base->constant < 0 && base->is_per_step == per_step && v->offset == 0 && v->elements == base->elements;
}

/* True if each operand is contiguous over all time steps (`per_step`), or over all lanes (not `per_step`). */
static int are_joined(const edgernn_program *program, const value *x, const value *b, const value *out, int per_step) {
    return is_base(program, out, per_step) && (!x || is_base(program, x, per_step)) &&
           (!b || is_base(program, b, per_step));
}

static void set_operands(reader *r, instruction *i, const value *x, const value *b, const value *out) {
    const edgernn_program *program = r->program;
    i->x = operand_of(r, x ? x : out);
    i->b = operand_of(r, b ? b : out);
    i->out = operand_of(r, out);
    i->elements = out->elements;
    i->type = out->type;
    i->is_whole = are_joined(program, x, b, out, 1);
    i->is_joined = are_joined(program, x, b, out, 0);
}

static int equal_elements(reader *r, const value *a, const value *b) {
    return a->elements == b->elements ? 1 : fail(r, "operands have different numbers of elements");
}

/* ---- weights ---- */

static void pack_i8(reader *r, edgernn_linear_i8 *linear, const value *x, int inputs, int outputs, const uint8_t *weights,
                    const uint8_t *bias, const uint8_t *multipliers) {
    const edgernn_kernels *kernels = r->program->kernels;
    const int columns = kernels->columns_i8, groups = (inputs + 3) / 4, blocks = (outputs + columns - 1) / columns;
    const size_t padded = (size_t)blocks * (size_t)columns;
    int8_t *packed = new_block(r, padded * (size_t)groups * 4);
    int32_t *biases = new_block(r, padded * sizeof *biases);
    float *factors = new_block(r, padded * sizeof *factors);
    if (r->reason) {
        return;
    }
    const int64_t offset = (int64_t)x->zero_point + kernels->input_offset;
    for (int j = 0; j < outputs; j++) {
        const size_t block = (size_t)(j / columns), place = (size_t)kernels->place(j % columns);
        int64_t sum = 0, largest = 0;
        for (int k = 0; k < inputs; k++) {
            const int8_t weight = (int8_t)weights[(size_t)j * (size_t)inputs + (size_t)k];
            if (weight == -128) {
                fail(r, "a weight is -128");
            }
            sum += weight;
            largest += weight < 0 ? -weight : weight;
            packed[((block * (size_t)groups + (size_t)(k / 4)) * (size_t)columns + place) * 4 + (size_t)(k % 4)] =
                weight;
        }
        int32_t given = 0;
        if (bias) {
            memcpy(&given, bias + 4 * (size_t)j, sizeof given);
        }
        const int64_t total = given - offset * sum;
        if (total > INT32_MAX - 256 * largest || total < INT32_MIN + 256 * largest) {
            fail(r, "a sum may exceed 32 bits");
        }
        biases[block * (size_t)columns + place] = (int32_t)total;
        memcpy(factors + block * (size_t)columns + place, multipliers + 4 * (size_t)j, sizeof *factors);
        if (!(factors[block * (size_t)columns + place] >= 0.0f && factors[block * (size_t)columns + place] < 1e9f)) {
            fail(r, "a multiplier is out of its range");
        }
    }
    *linear = (edgernn_linear_i8){
        .inputs = inputs, .outputs = outputs, .groups = groups, .blocks = blocks, .weights = packed, .bias = biases,
        .multipliers = factors, .zero_point = 0, .low = -128, .high = 127, .table = NULL,
    };
}

static void pack_f32(reader *r, edgernn_linear_f32 *linear, int inputs, int outputs, const uint8_t *weights,
                     const uint8_t *bias) {
    const int columns = r->program->kernels->columns_f32, blocks = (outputs + columns - 1) / columns;
    const size_t padded = (size_t)blocks * (size_t)columns;
    float *packed = new_block(r, padded * (size_t)inputs * sizeof *packed), *biases = new_block(r, padded * 4);
    if (r->reason) {
        return;
    }
    for (int j = 0; j < outputs; j++) {
        const size_t block = (size_t)(j / columns), column = (size_t)(j % columns);
        for (int k = 0; k < inputs; k++) {
            memcpy(packed + (block * (size_t)inputs + (size_t)k) * (size_t)columns + column,
                   weights + 4 * ((size_t)j * (size_t)inputs + (size_t)k), 4);
        }
        if (bias) {
            memcpy(biases + j, bias + 4 * (size_t)j, 4);
        }
    }
    *linear = (edgernn_linear_f32){.inputs = inputs, .outputs = outputs, .blocks = blocks, .weights = packed,
                                   .bias = biases, .low = -INFINITY, .high = INFINITY};
}

static const uint8_t *prepare_table(reader *r, const uint8_t *table) {
    uint8_t *prepared = new_block(r, EDGERNN_TABLE_BYTES);
    if (table && prepared) {
        r->program->kernels->prepare_table((const int8_t *)table, prepared);
    }
    return prepared;
}

/* Packs a matrix, unless it is one of the last KNOWN_MATRICES. */
static void pack(reader *r, const value *x, int type, int inputs, int outputs, const uint8_t *weights,
                 const uint8_t *bias, const uint8_t *multipliers, edgernn_linear_i8 *i8, edgernn_linear_f32 *f32) {
    for (size_t k = 0; k < KNOWN_MATRICES && k < r->known_count; k++) {
        const packed_matrix *known = r->known + k;
        if (known->type == type && known->weights == weights && known->bias == bias &&
            known->multipliers == multipliers && known->inputs == inputs && known->outputs == outputs &&
            known->zero_point == x->zero_point) {
            if (type == INT8) {
                *i8 = known->i8;
            } else {
                *f32 = known->f32;
            }
            return;
        }
    }
    packed_matrix *made = r->known + r->known_count++ % KNOWN_MATRICES;
    *made = (packed_matrix){.weights = weights, .bias = bias, .multipliers = multipliers, .type = type,
                            .inputs = inputs, .outputs = outputs, .zero_point = x->zero_point};
    if (type == INT8) {
        pack_i8(r, &made->i8, x, inputs, outputs, weights, bias, multipliers);
        *i8 = made->i8;
    } else {
        pack_f32(r, &made->f32, inputs, outputs, weights, bias);
        *f32 = made->f32;
    }
}

/* Reads weights, bias, multipliers, limits and zero point, in this order. If the product is fused with a sum or a table,
the zero point is that of the product's own result, not that of `out`. */
static void read_weights(reader *r, const value *x, const value *out, int64_t inputs, int64_t outputs,
                         edgernn_linear_i8 *i8, edgernn_linear_f32 *f32) {
    if (inputs * outputs > MAX_ELEMENTS) {
        fail(r, "a matrix is too large");
        return;
    }
    const size_t size = size_of(out->type);
    const uint8_t *weights = constant(r, (size_t)(inputs * outputs) * size, size);
    const uint8_t *bias = NULL, *multipliers = NULL;
    if (word(r) >= 0) {
        r->next--;
        bias = constant(r, (size_t)outputs * 4, 4);
    }
    if (out->type == INT8) {
        multipliers = constant(r, (size_t)outputs * 4, 4);
    } else {
        word(r);
    }
    if (r->reason) {
        return;
    }
    pack(r, x, out->type, (int)inputs, (int)outputs, weights, bias, multipliers, i8, f32);
    if (out->type == INT8) {
        i8->low = (int)count(r, -128, 127);
        i8->high = (int)count(r, i8->low, 127);
        i8->zero_point = (int)count(r, -128, 127);
    } else {
        f32->low = real(r);
        f32->high = real(r);
        word(r);
    }
}

/* ---- instructions, one function each ---- */

static void read_linear(reader *r, instruction *i) {
    const value *x = next_value(r), *out = result(r, x->type);
    const int64_t inputs = count(r, 1, MAX_ELEMENTS), outputs = count(r, 1, MAX_ELEMENTS);
    read_weights(r, x, out, inputs, outputs, &i->as.linear.i8, &i->as.linear.f32);
    const int32_t addend = word(r), table = word(r);
    if (r->reason) {
        return;
    }
    const value *b = addend < 0 ? NULL : value_at(r, addend);
    set_operands(r, i, x, b, out);
    const int64_t rows = x->elements / inputs;
    i->as.linear.rows = (edgernn_rows){(int)rows, (ptrdiff_t)inputs, (ptrdiff_t)outputs, (ptrdiff_t)outputs};
    i->as.linear.has_addend = b != NULL;
    if (x->elements % inputs || out->elements != rows * outputs) {
        fail(r, "a product does not fit its operands");
    }
    if (b && (b->type != INT8 || out->type != INT8 || i->as.linear.i8.zero_point || !equal_elements(r, b, out))) {
        fail(r, "an addend does not fit its product");
    }
    if (table >= 0 && out->type == INT8) {
        r->next--;
        i->as.linear.i8.table = prepare_table(r, constant(r, 256, 1));
    }
}

static void read_operands_of_two(reader *r, instruction *i, int type) {
    const value *a = typed_value(r, type), *b = typed_value(r, type), *out = result(r, type);
    set_operands(r, i, a, b, out);
    equal_elements(r, a, out);
    i->b_run = count(r, 1, MAX_ELEMENTS);
    i->b_elements = b->elements;
    if (b->elements == out->elements && i->b_run == 1) {
        return;
    }
    /* A constant operand is the same at every time step and in every lane. */
    i->b_repeats = 1;
    const int is_constant = r->program->values[b->base].constant >= 0;
    i->is_whole = is_constant && are_joined(r->program, a, NULL, out, 1);
    i->is_joined = is_constant && are_joined(r->program, a, NULL, out, 0);
    i->expanded = reserve(r, (size_t)out->elements * size_of(type) * (i->is_whole ? r->program->steps : 1));
}

static void read_sum(reader *r, instruction *i) {
    read_operands_of_two(r, i, INT8);
    const int64_t largest = (int64_t)1 << 22;
    i->as.sum.a_multiplier = (int32_t)count(r, -largest, largest);
    i->as.sum.b_multiplier = (int32_t)count(r, -largest, largest);
    /* The sum of both products is at most 2^30. */
    i->as.sum.bias = (int32_t)count(r, -(1 << 30), (1 << 30) - 1);
    i->as.sum.shift = (int)count(r, 0, 30);
    i->as.sum.zero_point = (int)count(r, -128, 127);
    i->as.sum.low = (int)count(r, -128, 127);
    i->as.sum.high = (int)count(r, i->as.sum.low, 127);
}

static void read_product(reader *r, instruction *i) {
    const size_t operands = r->next;
    read_operands_of_two(r, i, INT8);
    const size_t rest = r->next;
    r->next = operands;
    const value *a = next_value(r), *b = next_value(r), *out = next_value(r);
    r->next = rest;
    i->as.product = (edgernn_product_i8){.a_zero_point = a->zero_point, .b_zero_point = b->zero_point,
                                         .zero_point = out->zero_point, .multiplier = real(r)};
    i->as.product.low = (int)count(r, -128, 127);
    i->as.product.high = (int)count(r, i->as.product.low, 127);
    if (!(fabsf(i->as.product.multiplier) < 1e9f)) {
        fail(r, "a multiplier is out of its range");
    }
}

static void read_binary(reader *r, instruction *i) {
    i->as.binary.kind = (edgernn_binary)count(r, 0, EDGERNN_BINARIES - 1);
    read_operands_of_two(r, i, FLOAT32);
    i->as.binary.swapped = (int)count(r, 0, 1);
    i->as.binary.low = real(r);
    i->as.binary.high = real(r);
}

static void set_of_one(reader *r, instruction *i, const value *x, const value *out) {
    set_operands(r, i, x, NULL, out);
    equal_elements(r, x, out);
}

static void read_extreme(reader *r, instruction *i) {
    i->as.extreme.is_maximum = (int)count(r, 0, 1);
    read_operands_of_two(r, i, INT8);
}

static const int32_t *read_square_table(reader *r) {
    const uint8_t *table = constant(r, 256 * sizeof(int32_t), sizeof(int32_t));
    for (size_t k = 0; table && k < 256; k++) {
        int32_t entry;
        memcpy(&entry, table + k * sizeof entry, sizeof entry);
        if (entry < -(1 << 14) || entry > 1 << 14) {
            fail(r, "a table of squares has too large a number");
        }
    }
    return (const int32_t *)(const void *)table;
}

static void read_squares(reader *r, instruction *i) {
    read_operands_of_two(r, i, INT8);
    i->as.squares.a_table = read_square_table(r);
    i->as.squares.b_table = read_square_table(r);
    i->as.squares.multiplier = count(r, 0, INT32_MAX);
    i->as.squares.shift = (int)count(r, 0, 31);
    i->as.squares.zero_point = (int)count(r, -128, 127);
}

static void read_select(reader *r, instruction *i) {
    const value *condition = typed_value(r, FLOAT32), *a = next_value(r), *b = typed_value(r, a->type);
    const value *out = result(r, a->type);
    set_operands(r, i, a, b, out);
    equal_elements(r, a, out);
    equal_elements(r, b, out);
    equal_elements(r, condition, out);
    i->as.select.condition = operand_of(r, condition);
    i->is_whole = i->is_joined = 0;
}

static void read_of_one(reader *r, instruction *i, int type) {
    const value *x = typed_value(r, type), *out = result(r, type);
    set_of_one(r, i, x, out);
}

static void read_quantize(reader *r, instruction *i) {
    const value *x = typed_value(r, FLOAT32), *out = result(r, INT8);
    set_of_one(r, i, x, out);
    i->scale_in = 1.0f / out->scale;
    i->zero_point = out->zero_point;
}

static void read_dequantize(reader *r, instruction *i) {
    const value *x = typed_value(r, INT8), *out = result(r, FLOAT32);
    set_of_one(r, i, x, out);
    i->scale_in = x->scale;
    i->zero_point = x->zero_point;
}

static void read_softmax(reader *r, instruction *i) {
    const value *x = next_value(r), *out = result(r, x->type);
    set_operands(r, i, x, NULL, out);
    equal_elements(r, x, out);
    i->as.softmax.columns = count(r, 1, MAX_ELEMENTS);
    i->as.softmax.beta = real(r);
    if (out->elements % i->as.softmax.columns) {
        fail(r, "a softmax does not fit its operand");
    }
    if (x->type == INT8) {
        float *table = new_block(r, 256 * sizeof *table);
        const float factor = -x->scale * i->as.softmax.beta;
        if (!(factor <= 0.0f && factor > -INFINITY)) {
            fail(r, "a softmax does not fit its operand");
        }
        for (int d = 0; table && d < 256; d++) {
            table[255 - d] = expf(factor * (float)d);
        }
        i->as.softmax.table = table;
        i->as.softmax.scale = out->scale;
        i->as.softmax.zero_point = out->zero_point;
    }
}

static void read_reduce(reader *r, instruction *i) {
    i->as.reduce.kind = (int)count(r, 0, REDUCE_MAX);
    const value *x = next_value(r), *out = result(r, x->type);
    set_operands(r, i, x, NULL, out);
    i->is_whole = i->is_joined = 0;
    i->as.reduce.outer = count(r, 1, MAX_ELEMENTS);
    i->as.reduce.count = count(r, 1, MAX_ELEMENTS);
    i->as.reduce.inner = count(r, 1, MAX_ELEMENTS);
    const int64_t results = i->as.reduce.outer * i->as.reduce.inner;
    if (results != out->elements || results > x->elements || results * i->as.reduce.count != x->elements) {
        fail(r, "a reduction does not fit its operands");
    }
    if (x->type == INT8 && i->as.reduce.kind == REDUCE_SUM) {
        fail(r, "a sum of int8");
    }
    if (x->type != INT8) {
        return;
    }
    i->as.reduce.multiplier = x->scale / out->scale * (1.0f / (float)i->as.reduce.count);
    if (!(i->as.reduce.multiplier < 1e9f)) {
        fail(r, "a multiplier is out of its range");
    }
    i->as.reduce.offset =
        (float)out->zero_point - (float)(i->as.reduce.count * x->zero_point) * i->as.reduce.multiplier;
}

static void read_convolution(reader *r, instruction *i) {
    const value *x = next_value(r), *out = result(r, x->type);
    const int64_t steps = count(r, 1, MAX_ELEMENTS), channels = count(r, 1, MAX_ELEMENTS);
    const int64_t out_steps = count(r, 1, MAX_ELEMENTS), outputs = count(r, 1, MAX_ELEMENTS);
    const int64_t kernel = count(r, 1, 1 << 16);
    i->as.convolution.stride = count(r, 1, 1 << 16);
    i->as.convolution.dilation = count(r, 1, 1 << 16);
    i->as.convolution.before = count(r, 0, 1 << 24);
    if (x->elements % channels || steps != x->elements / channels || out->elements % outputs ||
        out_steps != out->elements / outputs || kernel * channels > MAX_ELEMENTS) {
        fail(r, "a convolution does not fit its operands");
        return;
    }
    read_weights(r, x, out, kernel * channels, outputs, &i->as.convolution.i8, &i->as.convolution.f32);
    set_operands(r, i, x, NULL, out);
    i->is_whole = i->is_joined = 0;
    i->as.convolution.steps = steps;
    i->as.convolution.channels = channels;
    i->as.convolution.out_steps = out_steps;
    i->as.convolution.kernel = kernel;
    i->as.convolution.zero_point = x->zero_point;
    i->as.convolution.window = reserve(r, (size_t)(kernel * channels) * size_of(x->type));
}

static void read_pool(reader *r, instruction *i) {
    i->as.pool.kind = (int)count(r, 0, REDUCE_MAX);
    const value *x = next_value(r), *out = result(r, x->type);
    set_operands(r, i, x, NULL, out);
    i->is_whole = i->is_joined = 0;
    i->as.pool.steps = count(r, 1, MAX_ELEMENTS);
    i->as.pool.channels = count(r, 1, MAX_ELEMENTS);
    i->as.pool.out_steps = count(r, 1, MAX_ELEMENTS);
    i->as.pool.kernel = count(r, 1, 1 << 16);
    i->as.pool.stride = count(r, 1, 1 << 16);
    i->as.pool.before = count(r, 0, 1 << 16);
    const int64_t last = (i->as.pool.out_steps - 1) * i->as.pool.stride - i->as.pool.before;
    if (x->elements % i->as.pool.channels || x->elements / i->as.pool.channels != i->as.pool.steps ||
        out->elements % i->as.pool.channels || out->elements / i->as.pool.channels != i->as.pool.out_steps ||
        i->as.pool.before >= i->as.pool.kernel || last >= i->as.pool.steps) {
        fail(r, "a pooling does not fit its operands");
    }
    if (i->as.pool.kind == REDUCE_SUM) {
        fail(r, "a sum of windows");
    }
}

static void check_reach(reader *r, const int64_t *sizes, const int64_t *strides, int64_t offset, int64_t elements) {
    int64_t lowest = offset, highest = offset;
    for (int axis = 0; axis < MAX_AXES; axis++) {
        const int64_t reach = (sizes[axis] - 1) * strides[axis];
        lowest += reach < 0 ? reach : 0;
        highest += reach > 0 ? reach : 0;
    }
    if (lowest < 0 || highest >= elements) {
        fail(r, "a copy reaches beyond a value");
    }
}

static void read_copy(reader *r, instruction *i) {
    const value *x = next_value(r), *out = result(r, x->type);
    set_operands(r, i, x, NULL, out);
    i->is_whole = i->is_joined = 0;
    for (int axis = 0; axis < MAX_AXES; axis++) {
        i->as.copy.sizes[axis] = count(r, 1, MAX_ELEMENTS);
    }
    for (int axis = 0; axis < MAX_AXES; axis++) {
        i->as.copy.x_strides[axis] = count(r, -MAX_ELEMENTS, MAX_ELEMENTS);
    }
    for (int axis = 0; axis < MAX_AXES; axis++) {
        i->as.copy.out_strides[axis] = count(r, -MAX_ELEMENTS, MAX_ELEMENTS);
    }
    const int64_t from = count(r, 0, MAX_ELEMENTS), to = count(r, 0, MAX_ELEMENTS);
    check_reach(r, i->as.copy.sizes, i->as.copy.x_strides, from, x->elements);
    check_reach(r, i->as.copy.sizes, i->as.copy.out_strides, to, out->elements);
    int64_t copied = 1;
    for (int axis = 0; axis < MAX_AXES; axis++) {
        copied = copied > out->elements ? copied : copied * i->as.copy.sizes[axis];
    }
    if (copied > out->elements) {
        fail(r, "a copy has more elements than its result");
    }
    i->x.place += (size_t)from * size_of(x->type);
    i->out.place += (size_t)to * size_of(x->type);
}

static void read_repeat(reader *r, instruction *i, int64_t left) {
    i->as.repeat.rounds = count(r, 1, MAX_STEPS);
    i->as.repeat.body = count(r, 1, left);
    const value *blocks = next_value(r), *block = next_value(r);
    if (blocks->type != block->type || block->elements > blocks->elements ||
        block->elements * i->as.repeat.rounds > blocks->elements) {
        fail(r, "a loop's blocks do not fit");
    }
    i->as.repeat.blocks = operand_of(r, blocks);
    i->as.repeat.block = operand_of(r, block);
    i->as.repeat.block_bytes = block->elements * (int64_t)size_of(block->type);
    const int32_t answers = word(r), answer = word(r);
    if (answers >= 0) {
        const value *all = value_at(r, answers), *one = value_at(r, answer);
        if (all->type != one->type || one->elements * i->as.repeat.rounds > all->elements) {
            fail(r, "a loop's answers do not fit");
        }
        i->as.repeat.answers = operand_of(r, all);
        i->as.repeat.answer = operand_of(r, one);
        i->as.repeat.answer_bytes = one->elements * (int64_t)size_of(one->type);
        check_writable(r, i->as.repeat.answers);
    }
    i->as.repeat.carried = count(r, 0, 1 << 10);
    i->as.repeat.pairs = new_block(r, (size_t)i->as.repeat.carried * 2 * sizeof(operand));
    i->as.repeat.pair_bytes = new_block(r, (size_t)i->as.repeat.carried * sizeof(int64_t));
    for (int64_t k = 0; !r->reason && k < i->as.repeat.carried; k++) {
        const value *before = next_value(r), *after = next_value(r);
        equal_elements(r, before, after);
        i->as.repeat.pairs[2 * k] = operand_of(r, before);
        i->as.repeat.pairs[2 * k + 1] = operand_of(r, after);
        i->as.repeat.pair_bytes[k] = before->elements * (int64_t)size_of(before->type);
        check_writable(r, i->as.repeat.pairs[2 * k]);
        if (before->type != after->type) {
            fail(r, "a loop's states do not fit");
        }
    }
    check_writable(r, i->as.repeat.block);
    i->is_whole = i->is_joined = 0;
}

static void read_instruction(reader *r, instruction *i, int64_t left, int in_rows) {
    i->op = (operation)count(r, OP_QUANTIZE, LAST_OP);
    const size_t arguments = (size_t)count(r, 0, 1 << 16), end = r->next + arguments;
    if (end > r->words) {
        fail(r, "the plan is too short");
        return;
    }
    switch (i->op) {
        case OP_QUANTIZE: read_quantize(r, i); break;
        case OP_DEQUANTIZE: read_dequantize(r, i); break;
        case OP_LINEAR: read_linear(r, i); break;
        case OP_SUM: read_sum(r, i); break;
        case OP_PRODUCT: read_product(r, i); break;
        case OP_BINARY: read_binary(r, i); break;
        case OP_TABLE:
            read_of_one(r, i, INT8);
            i->as.table.prepared = prepare_table(r, constant(r, 256, 1));
            break;
        case OP_FUNCTION:
            i->as.function.kind = (edgernn_function)count(r, 0, EDGERNN_FUNCTIONS - 1);
            read_of_one(r, i, FLOAT32);
            i->as.function.parameters[0] = real(r);
            i->as.function.parameters[1] = real(r);
            break;
        case OP_SOFTMAX: read_softmax(r, i); break;
        case OP_REDUCE: read_reduce(r, i); break;
        case OP_CONVOLUTION: read_convolution(r, i); break;
        case OP_POOL: read_pool(r, i); break;
        case OP_COPY: read_copy(r, i); break;
        case OP_FILL: {
            const value *out = result(r, -1);
            set_operands(r, i, NULL, NULL, out);
            i->as.fill.bits = (uint32_t)word(r);
            break;
        }
        case OP_REPEAT:
            if (in_rows || r->section_end >= 0) {
                fail(r, "a loop within a loop or in the section of rows");
                return;
            }
            read_repeat(r, i, left);
            break;
        case OP_EXTREME: read_extreme(r, i); break;
        case OP_SELECT: read_select(r, i); break;
        case OP_SQUARES: read_squares(r, i); break;
    }
    i->has_rows = (i->op == OP_LINEAR && i->as.linear.rows.count == 1) ||
                  ((i->op == OP_SUM || i->op == OP_PRODUCT || i->op == OP_BINARY) && !i->b_repeats);
    const size_t size = size_of(i->type);
    i->lanes = (edgernn_rows){.x = (ptrdiff_t)(i->x.lane / size),
                              .b = (ptrdiff_t)(i->b.lane / size),
                              .out = (ptrdiff_t)(i->out.lane / size)};
    if (!r->reason && r->next != end) {
        fail(r, "an instruction has the wrong number of arguments");
    }
}

static void read_instructions(reader *r) {
    edgernn_program *program = r->program;
    const int64_t sections[3] = {program->rows, program->step, program->answer};
    int64_t number = 0;
    for (int section = 0; section < 3; section++) {
        const int64_t end = number + sections[section];
        r->section_end = -1;
        for (; number < end && !r->reason; number++) {
            if (r->section_end == number) {
                r->section_end = -1;
            }
            instruction *i = program->instructions + number;
            read_instruction(r, i, end - number - 1, section == 0);
            if (!r->reason && i->op == OP_REPEAT) {
                r->section_end = number + 1 + i->as.repeat.body;
            }
        }
    }
}

/* ---- values ---- */

static void read_values(reader *r) {
    edgernn_program *program = r->program;
    for (int64_t k = 0; k < program->value_count && !r->reason; k++) {
        value *v = program->values + k;
        v->elements = count(r, 1, MAX_ELEMENTS);
        v->type = (int)count(r, INT8, FLOAT32);
        v->base = (int32_t)count(r, 0, program->value_count - 1);
        v->offset = (int32_t)count(r, 0, MAX_ELEMENTS);
        const int64_t place = count(r, -1, INT32_MAX);
        v->constant = place;
        v->zero_point = (int)count(r, -128, 127);
        v->scale = real(r);
        /* Within this range, the inverse is finite, too. */
        if (v->type == INT8 && !(v->scale > 1e-30f && v->scale < 1e30f)) {
            fail(r, "a scale is out of its range");
        }
        const size_t bytes = (size_t)v->elements * size_of(v->type);
        if (place >= 0 && (bytes > r->constant_bytes || (size_t)place > r->constant_bytes - bytes ||
                           (size_t)place % size_of(v->type))) {
            fail(r, "a constant is not within the constants");
        }
    }
    for (int64_t k = 0; k < program->value_count && !r->reason; k++) {
        const value *v = program->values + k, *base = program->values + v->base;
        if (base->base != v->base || v->type != base->type || v->offset + v->elements > base->elements ||
            (v == base && v->offset) || (v != base && v->constant >= 0)) {
            fail(r, "a value is not within its base");
        }
    }
}

/* Marks the values that the section `rows` computes: they have memory for each time step. This happens before the
instructions are read, because the positions of all operands depend on it. `results` has the index of the result among the
arguments of each operator. */
static void mark_rows(reader *r) {
    edgernn_program *program = r->program;
    const size_t start = r->next;
    for (int64_t k = 0; k < program->rows && !r->reason; k++) {
        const int64_t op = count(r, OP_QUANTIZE, LAST_OP), arguments = count(r, 2, 1 << 16);
        static const int results[] = {[OP_QUANTIZE] = 1, [OP_DEQUANTIZE] = 1, [OP_LINEAR] = 1, [OP_SUM] = 2,
                                      [OP_PRODUCT] = 2, [OP_BINARY] = 3, [OP_TABLE] = 1, [OP_FUNCTION] = 2,
                                      [OP_SOFTMAX] = 1, [OP_REDUCE] = 2, [OP_CONVOLUTION] = 1, [OP_POOL] = 2,
                                      [OP_COPY] = 1, [OP_FILL] = 0, [OP_REPEAT] = 0, [OP_EXTREME] = 3,
                                      [OP_SELECT] = 3, [OP_SQUARES] = 2};
        const size_t place = r->next + (size_t)results[op];
        if (r->next + (size_t)arguments > r->words || results[op] >= arguments) {
            fail(r, "the plan is too short");
            return;
        }
        const value *out = value_at(r, r->plan[place]);
        program->values[out->base].is_per_step = 1;
        r->next += (size_t)arguments;
    }
    r->next = start;
}

static void lay_out(reader *r, const value *input) {
    edgernn_program *program = r->program;
    if (program->state_count > 0) {
        program->values[input->base].is_per_step = 1;
    }
    for (int64_t k = 0; k < program->value_count && !r->reason; k++) {
        value *v = program->values + k;
        if (v->base != k || v->constant >= 0) {
            continue;
        }
        const size_t bytes = (size_t)v->elements * size_of(v->type);
        if (v->is_per_step && bytes > MAX_WORK / program->steps) {
            fail(r, "the program needs too much memory");
            return;
        }
        if (v != input || v->type != FLOAT32) {
            v->place = reserve(r, v->is_per_step ? bytes * program->steps : bytes);
        }
    }
}

static void read_states(reader *r) {
    edgernn_program *program = r->program;
    for (int64_t k = 0; k < program->state_count && !r->reason; k++) {
        const value *before = next_value(r), *after = next_value(r);
        state *each = program->states + k;
        each->zero = (uint32_t)count(r, -128, 127);
        equal_elements(r, before, after);
        each->before = operand_of(r, before);
        each->after = operand_of(r, after);
        each->type = before->type;
        each->bytes = (size_t)before->elements * size_of(before->type);
        program->state_bytes += each->bytes;
        if (program->state_bytes > MAX_WORK) {
            fail(r, "the program needs too much memory");
        }
        check_writable(r, each->before);
        if (before->type != after->type || each->before.stride) {
            fail(r, "a state does not fit");
        }
    }
}

static void read_plan(reader *r) {
    edgernn_program *program = r->program;
    if (word(r) != EDGERNN_PLAN_MAGIC || word(r) != EDGERNN_PLAN_FORMAT) {
        fail(r, "not a plan of this format");
        return;
    }
    const int64_t most = r->words < MAX_COUNT ? (int64_t)r->words : MAX_COUNT;
    program->steps = (size_t)count(r, 1, MAX_STEPS);
    program->value_count = count(r, 1, most);
    program->state_count = count(r, 0, most);
    program->rows = count(r, 0, most);
    program->step = count(r, 0, most);
    program->answer = count(r, 0, most);
    program->input_number = count(r, 0, program->value_count - 1);
    const int64_t output_number = count(r, 0, program->value_count - 1);
    program->answers_every_step = (int)count(r, 0, 1);
    program->instruction_count = program->rows + program->step + program->answer;
    if (program->instruction_count > most || (program->rows && !program->state_count)) {
        fail(r, "a number in the plan is out of its range");
    }
    if (r->reason) {
        return;
    }
    program->values = new_block(r, (size_t)program->value_count * sizeof(value));
    program->instructions = new_block(r, (size_t)(program->instruction_count + 1) * sizeof(instruction));
    program->states = new_block(r, (size_t)program->state_count * sizeof(state));
    if (r->reason) {
        return;
    }
    read_values(r);
    if (r->reason) {
        return;
    }
    const value *input = program->values + program->input_number, *output = program->values + output_number;
    r->input = input;
    mark_rows(r);
    lay_out(r, input);
    if (r->reason) {
        return;
    }
    read_instructions(r);
    read_states(r);
    if (!r->reason && r->next != r->words) {
        fail(r, "the plan is too long");
    }
    const int streams = program->state_count > 0;
    if (program->answers_every_step && (size_t)output->elements * size_of(output->type) > MAX_WORK / program->steps) {
        fail(r, "the program needs too much memory");
    }
    if (input->base != program->input_number || input->constant >= 0 ||
        (!streams && (size_t)input->elements % program->steps)) {
        fail(r, "the input does not fit");
    }
    program->input = operand_of(r, input);
    program->output = operand_of(r, output);
    program->float_input = input->type == FLOAT32;
    program->float_output = output->type == FLOAT32;
    const size_t bytes = (size_t)input->elements * size_of(input->type);
    program->row_bytes = streams ? bytes : bytes / program->steps;
    program->step_answer_bytes = (size_t)output->elements * size_of(output->type);
    program->work_bytes = r->work + READ_BEYOND;
    /* The limit also keeps the number of elements in all lanes within 32 bits. */
    const size_t more = MAX_LANES_WORK / program->work_bytes;
    program->lanes = 1 + (more < MAX_LANES - 1 ? more : MAX_LANES - 1);
}

edgernn_program *edgernn_open(
    const int32_t *plan, size_t words, const uint8_t *constants, size_t bytes, const edgernn_kernels *kernels,
    const char **reason) {
    edgernn_program *program = calloc(1, sizeof *program);
    if (!program) {
        *reason = "out of memory";
        return NULL;
    }
    program->kernels = kernels;
    reader r = {.program = program, .plan = plan, .words = words, .constant_bytes = bytes, .section_end = -1};
    program->constants = new_block(&r, bytes + READ_BEYOND);
    if (!r.reason) {
        if (bytes) {
            memcpy(program->constants, constants, bytes);
        }
        read_plan(&r);
    }
    if (r.reason) {
        *reason = r.reason;
        edgernn_close(program);
        return NULL;
    }
    return program;
}

void edgernn_close(edgernn_program *program) {
    if (!program) {
        return;
    }
    for (size_t k = 0; k < program->block_count; k++) {
        free(program->blocks[k]);
    }
    free(program->blocks);
    free(program);
}
