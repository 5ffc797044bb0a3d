// SPDX-License-Identifier: MIT
/* permk_aes: federated training among clients that trust one another, over a server and a network
 * they do not. Each part has a header of its own; this one includes them all. A first program is in
 * README.md. */
#ifndef PERMK_AES_PERMK_AES_H
#define PERMK_AES_PERMK_AES_H

#include <permk_aes/capture.h>
#include <permk_aes/core.h>
#include <permk_aes/identity.h>
#include <permk_aes/key.h>
#include <permk_aes/logistic.h>
#include <permk_aes/ownership.h>
#include <permk_aes/problem.h>
#include <permk_aes/quadratic.h>
#include <permk_aes/replay.h>
#include <permk_aes/server.h>
#include <permk_aes/session.h>
#include <permk_aes/train.h>
#include <permk_aes/value.h>

#endif
