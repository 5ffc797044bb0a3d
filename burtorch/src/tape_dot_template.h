// SPDX-License-Identifier: MIT
/* A tape as a graph in the DOT language, in one precision (see tape_private.h). */
