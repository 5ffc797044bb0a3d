// SPDX-License-Identifier: MIT
/* burtorch-cli info: what a safetensors file holds. */
#include "burtorch/burtorch_cli.h"

#include <stdio.h>
#include <string.h>

typedef struct info_settings {
    const char *file;
    bool json;
} info_settings;

typedef struct totals {
    size_t elements, bytes;
} totals;

static size_t elements_of(const bt_array *array)
{
    size_t n = 1; // the file has that many, so the product fits
    for (size_t i = 0; i < array->axes; i++)
        n *= array->dims[i];
    return n;
}

static totals sum_up(const bt_safetensors *file)
{
    totals t = {0, 0};
    for (size_t i = 0; i < bt_safetensors_count(file); i++) {
        t.elements += elements_of(bt_safetensors_array(file, i));
        t.bytes += bt_safetensors_array(file, i)->size_bytes;
    }
    return t;
}

enum { SHAPE_SIZE = BT_SAFETENSORS_MAX_AXES * 22 + 4 };

static const char *shape_text(char out[SHAPE_SIZE], const bt_array *array)
{
    size_t used = 1;
    out[0] = '(';
    for (size_t i = 0; i < array->axes; i++)
        used +=
            (size_t)snprintf(out + used, SHAPE_SIZE - used, i ? ", %zu" : "%zu", array->dims[i]);
    out[used] = ')';
    out[used + 1] = '\0';
    return out;
}

/* Text of a file is not to move the terminal's cursor about. */
static void print_text(const char *text, int width)
{
    int printed = 0;
    for (const char *c = text; *c != '\0'; c++, printed++)
        putchar((unsigned char)*c < ' ' || *c == 0x7F ? ' ' : *c);
    for (; printed < width; printed++)
        putchar(' ');
}

static int name_width(const bt_safetensors *file)
{
    size_t width = 4;
    for (size_t i = 0; i < bt_safetensors_count(file); i++) {
        const size_t length = strlen(bt_safetensors_array(file, i)->name);
        width = length > width ? length : width;
    }
    return width > 50 ? 50 : (int)width;
}

static void print_table(const bt_safetensors *file)
{
    const int width = name_width(file);
    const totals t = sum_up(file);
    char bytes[CLI_TEXT_SIZE], shape[SHAPE_SIZE];
    if (bt_safetensors_count(file))
        printf("%-*s  %-5s  %-22s  %s\n", width, "name", "dtype", "shape", "size");
    for (size_t i = 0; i < bt_safetensors_count(file); i++) {
        const bt_array *array = bt_safetensors_array(file, i);
        print_text(array->name, width);
        printf("  %-5s  %-22s  %s\n", array->dtype, shape_text(shape, array),
               cli_bytes_text(bytes, (double)array->size_bytes));
    }
    printf("%zu arrays, %zu numbers, %s\n", bt_safetensors_count(file), t.elements,
           cli_bytes_text(bytes, (double)t.bytes));
    for (size_t i = 0; i < bt_safetensors_metadata_count(file); i++) {
        const bt_metadata *entry = bt_safetensors_metadata_at(file, i);
        print_text(entry->key, 0);
        printf(" = ");
        print_text(entry->value, 0);
        putchar('\n');
    }
}

static void json_array(ct_json *json, const bt_array *array)
{
    ct_json_object_begin(json);
    ct_json_key(json, "name");
    ct_json_string(json, array->name);
    ct_json_key(json, "dtype");
    ct_json_string(json, array->dtype);
    ct_json_key(json, "shape");
    ct_json_array_begin(json);
    for (size_t i = 0; i < array->axes; i++)
        ct_json_integer(json, (int64_t)array->dims[i]);
    ct_json_array_end(json);
    ct_json_key(json, "size_bytes");
    ct_json_integer(json, (int64_t)array->size_bytes);
    ct_json_object_end(json);
}

static ct_status print_json(const bt_safetensors *file, const char *path, ct_diag *diag)
{
    const totals t = sum_up(file);
    ct_json *json;
    CT_TRY(burtorch_json_begin(&json, diag));
    ct_json_key(json, "file");
    ct_json_string(json, path);
    ct_json_key(json, "arrays");
    ct_json_array_begin(json);
    for (size_t i = 0; i < bt_safetensors_count(file); i++)
        json_array(json, bt_safetensors_array(file, i));
    ct_json_array_end(json);
    ct_json_key(json, "numbers");
    ct_json_integer(json, (int64_t)t.elements);
    ct_json_key(json, "size_bytes");
    ct_json_integer(json, (int64_t)t.bytes);
    ct_json_key(json, "metadata");
    ct_json_object_begin(json);
    for (size_t i = 0; i < bt_safetensors_metadata_count(file); i++) {
        ct_json_key(json, bt_safetensors_metadata_at(file, i)->key);
        ct_json_string(json, bt_safetensors_metadata_at(file, i)->value);
    }
    ct_json_object_end(json);
    return burtorch_json_print(json, diag);
}

static int run_info(void *settings, const cli_command *command)
{
    (void)command;
    const info_settings *s = settings;
    bt_safetensors *file;
    ct_diag diag = {0};
    ct_status status = bt_safetensors_open(&file, s->file, &diag);
    if (status == CT_OK && s->json)
        status = print_json(file, s->file, &diag);
    else if (status == CT_OK)
        print_table(file);
    bt_safetensors_close(file);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

static const cli_option options[] = {
    {.name = "json",
     .type = CLI_FLAG,
     .offset = offsetof(info_settings, json),
     .help = "Print one JSON object: arrays (name, dtype, shape, size_bytes), numbers, size_bytes, "
             "metadata."},
};
static const cli_operand operands[] = {
    {.name = "FILE",
     .help = "A safetensors file: a model or checkpoint of train, or another program's.",
     .is_path = true,
     .offset = offsetof(info_settings, file)},
};

cli_command burtorch_info(void)
{
    return (cli_command){.name = "info",
                         .summary = "List the arrays and the metadata of a safetensors file.",
                         .examples = "burtorch-cli info names.safetensors",
                         .options = options,
                         .n_options = COUNT(options),
                         .operands = operands,
                         .n_operands = COUNT(operands),
                         .settings_size = sizeof(info_settings),
                         .run = run_info};
}
