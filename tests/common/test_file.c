// SPDX-License-Identifier: MIT
/* Files: what is read, and that a writer leaves either the old file or the new one. */
#include "ct_test.h"

#include <ctrain/file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_file_is(const char *path, const char *text)
{
    ct_diag diag = {0};
    ct_file_view view;
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    assert_int_equal(view.size_bytes, strlen(text));
    assert_memory_equal(view.data, text, view.size_bytes);
    ct_file_view_close(&view);
}

static void test_write_then_read(void **state)
{
    (void)state;
    ct_diag diag = {0};
    ct_file_writer *w;
    char *path = ct_test_file("old", "old");
    ct_assert_ok(ct_file_writer_open(&w, path, &diag), &diag);
    ct_file_writer_write(w, "ab", 2);
    ct_file_writer_printf(w, "%d\n", 12);
    assert_file_is(path, "old");
    ct_assert_ok(ct_file_writer_commit(w, &diag), &diag);
    assert_file_is(path, "ab12\n");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_then_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
