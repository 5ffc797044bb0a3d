// SPDX-License-Identifier: MIT
/* A tape as a graph in the DOT language, in one precision (see tape_private.h). */

/* Set WANTED on root and all it is computed from. */
static void want_operands(TAPE *tape, size_t root)
{
    NODE *nodes = tape->nodes;
    nodes[root].op |= WANTED;
    for (size_t i = root + 1; i-- > 0;) {
        NODE node = nodes[i];
        if (!(node.op & WANTED))
            continue;
        node.op &= ~WANTED;
        if (node.op <= BT_OP_CONSTANT)
            continue;
        if (node.op < BT_OP_SUM) {
            nodes[node.a].op |= WANTED;
            if (node.op >= BT_OP_ADD)
                nodes[node.u.b].op |= WANTED;
            continue;
        }
        for (size_t k = 0, n = entries_of(&node); k < n; k++)
            nodes[tape->list[node.a + k]].op |= WANTED;
    }
}

static void write_number(ct_file_writer *writer, const char *before, REAL value)
{
    char text[CT_NUMBER_TEXT_SIZE];
    ct_number_text(text, (double)value);
    ct_file_writer_printf(writer, "%s%s", before, text);
}

static void write_dot_node(ct_file_writer *writer, const TAPE *tape, size_t i, const NODE *node)
{
    const bt_op_info *info = bt_op_info_of((bt_op)node->op);
    ct_file_writer_printf(writer, "  n%zu [label=\"%s", i, info->name);
    if (info->arity == BT_ARITY_NUMBER)
        write_number(writer, " ", node->u.c);
    write_number(writer, "\\nvalue ", node->value);
    write_number(writer, "\\ngradient ", node->gradient);
    ct_file_writer_printf(writer, "\"];\n");
    if (node->op <= BT_OP_CONSTANT)
        return;
    if (node->op < BT_OP_SUM) {
        ct_file_writer_printf(writer, "  n%zu -> n%zu;\n", (size_t)node->a, i);
        if (node->op >= BT_OP_ADD)
            ct_file_writer_printf(writer, "  n%zu -> n%zu;\n", (size_t)node->u.b, i);
        return;
    }
    for (size_t k = 0, n = entries_of(node); k < n; k++)
        ct_file_writer_printf(writer, "  n%zu -> n%zu;\n", (size_t)tape->list[node->a + k], i);
}

ct_status BT__F(bt_tape_write_dot)(VAR root, const char *path, ct_diag *diag)
{
    ct_diag_clear(diag);
    if (!BT__F(bt__exists)(root))
        return ct_fail(diag, BT_ETAPE, "the root of the graph is no variable");
    ct_file_writer *writer;
    CT_TRY(ct_file_writer_open(&writer, path, diag));
    TAPE *tape = root.tape;
    want_operands(tape, (size_t)root.index);
    ct_file_writer_printf(writer, "digraph tape {\n  node [shape=box];\n");
    for (size_t i = 0; i <= (size_t)root.index; i++) {
        if (!(tape->nodes[i].op & WANTED))
            continue;
        tape->nodes[i].op &= ~WANTED;
        write_dot_node(writer, tape, i, &tape->nodes[i]);
    }
    ct_file_writer_printf(writer, "}\n");
    return ct_file_writer_commit(writer, diag);
}
