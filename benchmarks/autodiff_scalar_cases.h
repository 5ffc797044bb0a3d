// SPDX-License-Identifier: MIT
/* The graphs of bench_autodiff_scalar.c on both tapes, in numbers of type real: included once for
 * double and once, with the names of the float tape, for float. TAPE is the burtorch tape. */

static struct {
    int n;
    unsigned char op[N_MAX];
    int a[N_MAX], b[N_MAX];
    real value[N_MAX], gradient[N_MAX];
} naive;

static inline int naive_node(naive_op op, int a, int b, real value)
{
    const int i = naive.n++;
    naive.op[i] = (unsigned char)op;
    naive.a[i] = a;
    naive.b[i] = b;
    naive.value[i] = value;
    naive.gradient[i] = 0;
    return i;
}
#define NV(i) naive.value[i]
static inline int n_leaf(real v)
{
    return naive_node(N_LEAF, 0, 0, v);
}
static inline int n_add(int a, int b)
{
    return naive_node(N_ADD, a, b, NV(a) + NV(b));
}
static inline int n_sub(int a, int b)
{
    return naive_node(N_SUB, a, b, NV(a) - NV(b));
}
static inline int n_mul(int a, int b)
{
    return naive_node(N_MUL, a, b, NV(a) * NV(b));
}
static inline int n_div(int a, int b)
{
    return naive_node(N_DIV, a, b, NV(a) / NV(b));
}
static inline int n_sqr(int a)
{
    return naive_node(N_SQR, a, a, NV(a) * NV(a));
}
static inline int n_cub(int a)
{
    return naive_node(N_CUB, a, a, NV(a) * NV(a) * NV(a));
}
static inline int n_relu(int a)
{
    return naive_node(N_RELU, a, a, NV(a) > 0 ? NV(a) : 0);
}

static __attribute__((noinline)) void naive_forward(int last)
{
    for (int i = 0; i <= last; i++) {
        const real a = NV(naive.a[i]), b = NV(naive.b[i]);
        naive.gradient[i] = 0;
        switch (naive.op[i]) {
        case N_ADD:
            NV(i) = a + b;
            break;
        case N_SUB:
            NV(i) = a - b;
            break;
        case N_MUL:
            NV(i) = a * b;
            break;
        case N_DIV:
            NV(i) = a / b;
            break;
        case N_SQR:
            NV(i) = a * a;
            break;
        case N_CUB:
            NV(i) = a * a * a;
            break;
        case N_RELU:
            NV(i) = a > 0 ? a : 0;
            break;
        default:
            break;
        }
    }
}

static __attribute__((noinline)) void naive_backward(int root)
{
    real *const d = naive.gradient;
    d[root] = 1;
    for (int i = root; i >= 0; i--) {
        const real g = d[i];
        const int a = naive.a[i], b = naive.b[i];
        switch (naive.op[i]) {
        case N_ADD:
            d[a] += g;
            d[b] += g;
            break;
        case N_SUB:
            d[a] += g;
            d[b] -= g;
            break;
        case N_MUL:
            d[a] += g * NV(b);
            d[b] += g * NV(a);
            break;
        case N_DIV:
            d[a] += g / NV(b);
            d[b] -= g * NV(i) / NV(b);
            break;
        case N_SQR:
            d[a] += 2 * g * NV(a);
            break;
        case N_CUB:
            d[a] += 3 * g * NV(a) * NV(a);
            break;
        case N_RELU:
            d[a] += NV(a) > 0 ? g : 0;
            break;
        default:
            break;
        }
    }
}

static double naive_tiny(void)
{
    naive.n = 0;
    const int a = n_leaf((real)tiny_a), b = n_leaf((real)tiny_b);
    const int c = n_add(a, b), d = n_add(n_mul(a, b), n_cub(b));
    const int g = n_mul(n_sqr(n_sub(c, d)), n_leaf((real)0.5));
    naive_backward(g);
    return (double)(naive.gradient[a] + naive.gradient[b]);
}

static double burtorch_tiny(void)
{
    bt_tape *const t = TAPE;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, (real)tiny_a), b = bt_variable(t, (real)tiny_b);
    const bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    const bt_var g = bt_mul_const(bt_sqr(bt_sub(c, d)), (real)0.5);
    if (bt_backward(g) != CT_OK)
        abort();
    return (double)(bt_gradient(a) + bt_gradient(b));
}

/* Micrograd's README expression. */
static inline __attribute__((always_inline)) int naive_small_record(int a, int b)
{
    int c = n_add(a, b), d = n_add(n_mul(a, b), n_cub(b));
    c = n_add(c, n_add(c, n_leaf(1)));
    c = n_add(c, n_sub(n_add(n_leaf(1), c), a));
    d = n_add(d, n_add(n_mul(d, n_leaf(2)), n_relu(n_add(b, a))));
    d = n_add(d, n_add(n_mul(n_leaf(3), d), n_relu(n_sub(b, a))));
    const int f = n_sqr(n_sub(c, d));
    return n_add(n_mul(f, n_leaf((real)0.5)), n_div(n_leaf(10), f));
}

static double naive_small(void)
{
    naive.n = 0;
    const int a = n_leaf((real)small_a), b = n_leaf((real)small_b);
    naive_backward(naive_small_record(a, b));
    return (double)(naive.gradient[a] + naive.gradient[b]);
}

/* The same graph, recorded once by the first call: new leaves, values, gradients. */
static double naive_replay(void)
{
    static int root;
    if (!root) {
        naive.n = 0;
        const int a = n_leaf((real)small_a), b = n_leaf((real)small_b);
        root = naive_small_record(a, b);
    }
    NV(0) = (real)small_a;
    NV(1) = (real)small_b;
    naive_forward(root);
    naive_backward(root);
    return (double)(naive.gradient[0] + naive.gradient[1]);
}

static inline __attribute__((always_inline)) bt_var small_record(bt_var a, bt_var b)
{
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b));
    c = bt_add(c, bt_add_const(c, 1));
    c = bt_add(c, bt_sub(bt_add_const(c, 1), a));
    d = bt_add(d, bt_add(bt_mul_const(d, 2), bt_relu(bt_add(b, a))));
    d = bt_add(d, bt_add(bt_mul_const(d, 3), bt_relu(bt_sub(b, a))));
    const bt_var f = bt_sqr(bt_sub(c, d));
    return bt_add(bt_mul_const(f, (real)0.5), bt_const_div(10, f));
}

static double burtorch_small(void)
{
    bt_tape *const t = TAPE;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, (real)small_a), b = bt_variable(t, (real)small_b);
    if (bt_backward(small_record(a, b)) != CT_OK)
        abort();
    return (double)(bt_gradient(a) + bt_gradient(b));
}

static double burtorch_replay(void)
{
    static bt_var a, b, root;
    bt_tape *const t = TAPE;
    if (!root.tape) {
        bt_tape_reset(t);
        a = bt_variable(t, (real)small_a);
        b = bt_variable(t, (real)small_b);
        root = small_record(a, b);
    }
    bt_set_value(a, (real)small_a);
    bt_set_value(b, (real)small_b);
    bt_tape_forward(t);
    if (bt_backward(root) != CT_OK)
        abort();
    return (double)(bt_gradient(a) + bt_gradient(b));
}

/* x -> x + a a long way: nanoseconds a node, with the room reserved. Every node of the sweep adds
 * to the gradient of a, one after the other. */
static double burtorch_chain(void)
{
    bt_tape *const t = TAPE;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, (real)1e-30);
    bt_var x = a;
    for (int i = 1; i < CHAIN; i++)
        x = bt_add(x, a);
    if (bt_backward(x) != CT_OK)
        abort();
    return (double)bt_gradient(a);
}

/* x -> c x: one operand a node. */
static double burtorch_chain_of_one(void)
{
    bt_tape *const t = TAPE;
    bt_tape_rewind(t, empty);
    const bt_var a = bt_variable(t, (real)1);
    bt_var x = a;
    for (int i = 1; i < CHAIN; i++)
        x = bt_mul_const(x, (real)0.9999999);
    if (bt_backward(x) != CT_OK)
        abort();
    return (double)bt_gradient(a);
}

static void run_cases(const char *precision)
{
    if (bt_tape_create(&TAPE) != CT_OK)
        abort();
    compare(precision, "tiny", burtorch_tiny, naive_tiny);
    compare(precision, "small", burtorch_small, naive_small);
    bt_tape_reset(TAPE);
    compare(precision, "small_replayed", burtorch_replay, naive_replay);
    bt_tape_reset(TAPE);
    if (bt_tape_reserve(TAPE, CHAIN) != CT_OK)
        abort();
    const double bytes = (double)bt_tape_bytes(TAPE) / CHAIN;
    print_chain("chain", precision, burtorch_chain, bytes);
    print_chain("chain_of_one", precision, burtorch_chain_of_one, bytes);
    bt_tape_destroy(TAPE);
}
