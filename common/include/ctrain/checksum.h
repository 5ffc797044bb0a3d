// SPDX-License-Identifier: MIT
/* A 64-bit checksum of files and memory, some 10 GB/s: for damage by accident, not by an adversary.
 * Whatever changes within one aligned 8-byte word changes the checksum; other damage is missed with
 * probability 2^-64. The same value on every machine, however the bytes come in pieces. */
#ifndef CTRAIN_CHECKSUM_H
#define CTRAIN_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A checksum under way, in the caller's memory. The members are private. */
typedef struct ct_checksum {
    uint64_t lane[4];
    uint64_t size_bytes;
    unsigned char rest[32]; // the last size_bytes mod 32 bytes
} ct_checksum;

void ct_checksum_init(ct_checksum *sum);
void ct_checksum_add(ct_checksum *sum, const void *data, size_t size_bytes);
/* Of all bytes added so far; more may follow. */
uint64_t ct_checksum_value(const ct_checksum *sum);

#ifdef __cplusplus
}
#endif
#endif
