// SPDX-License-Identifier: MIT
/* A flag by which a caller (a signal handler, another thread) asks a long call to end after the
 * round it is in. */
#ifndef CTRAIN_STOP_H
#define CTRAIN_STOP_H

#ifdef __cplusplus
#include <atomic>
typedef std::atomic<bool> ct_stop_flag;
#else
#include <stdatomic.h>
typedef atomic_bool ct_stop_flag;
#endif

#endif
