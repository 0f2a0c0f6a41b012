/* symbols.h - names of functions for addresses of this process, static ones too where the program has its symbol table. */
#ifndef MISHRI_ENGINE_SYMBOLS_H
#define MISHRI_ENGINE_SYMBOLS_H

#include "base/util.h"

struct symbols;
MUST_USE struct symbols *symbols_open(void);            /* never NULL; without a table it knows exported names alone */
void symbols_free(struct symbols *symbols);             /* NULL is fine */
enum { SYMBOL_TEXT_BYTES = 160 };
/* "run_step+0x1c", "libsqlite3.so.0(sqlite3_step+0x40)", "libc.so.6+0x2724a", "0x7f..." */
void symbols_name(const struct symbols *symbols, const void *address, char ret[static SYMBOL_TEXT_BYTES]);

#endif
