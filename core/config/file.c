/* SPDX-License-Identifier: Apache-2.0 */
/* config.yaml: flat "key: value" lines, read with inih.
 *
 * inih cuts lines at 200 bytes, strips white space at both ends of a value,
 * takes " ;" for a comment even inside quotes, and appends indented lines to the
 * key above.  So the reader below refuses what is not a flat line, with its
 * number, and hands the rest over in pieces (inih's continuation lines) whose
 * ends and semicolons are guarded by a control byte that the handler drops. */
#include "base/mem.h"
#include "config/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

enum { GUARD = 1, MAX_KEY = 100, MAX_FILE = 1024 * 1024 };

struct reader {
    struct config *c;
    struct str rest;    /* of the file */
    struct str pending; /* of the value not handed over yet */
    struct strbuf value;
    struct str key; /* .p NULL: none open */
    int line;
    bool body;  /* a key was seen */
    bool fresh; /* the next call of the handler begins a key */
};

static void add_entry(struct config *c, struct config_entry e)
{
    for (size_t i = 0; i < c->nentries; i++)
        if (str_eq(c->entries[i].key, e.key)) {
            config_warn(c, "%s line %d: %.*s was already set in line %d; this one counts",
                        c->file.p ? c->file.p : "config", e.line, STR_ARG(e.key),
                        c->entries[i].line);
            c->entries[i] = e;
            return;
        }
    c->entries = mem_realloc(c->entries, (c->nentries + 1) * sizeof(e));
    c->entries[c->nentries++] = e;
}

/* Ends the key that is open. */
static void finish(struct reader *r)
{
    if (!r->key.p)
        return;
    struct config_entry e = {.key = r->key, .line = r->line};
    const char *why = scalar_parse(strbuf_str(&r->value), &r->c->arena, &e.value);
    if (why)
        config_error(r->c, "%s line %d: %.*s: %s", r->c->file.p ? r->c->file.p : "config", r->line,
                     STR_ARG(r->key), why);
    else
        add_entry(r->c, e);
    r->key = STR_NULL;
}

static int handler(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    (void)section;
    if (r->fresh) {
        r->key = str_dup(&r->c->arena, str_z(name));
        strbuf_init(&r->value, &r->c->arena);
        r->fresh = false;
    }
    for (; *value; value++)
        if (*value != GUARD)
            strbuf_addc(&r->value, *value);
    return 1;
}

static bool key_form(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (!isalnum((unsigned char)key.p[i]) && !strchr("_-.", key.p[i]))
            return false;
    return key.len > 0 && key.len <= MAX_KEY;
}

/* NULL: line is "key: value", cut in two.  Else why it is refused. */
static const char *cut(struct str line, struct str *key, struct str *value)
{
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return "indented lines (lists, maps, folded text) are not supported; write each setting "
               "as one line 'key: value' without white space before it";
    if (line.p[0] == '-' && (line.len == 1 || line.p[1] == ' '))
        return "lists are not supported; write 'key: value'";
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
            return "it holds a control character";
    ptrdiff_t colon = str_find(line, ':');
    if (colon < 0)
        return "it is not of the form 'key: value'";
    *key = str_trim(str_sub(line, 0, (size_t)colon));
    *value = str_trim(str_sub(line, (size_t)colon + 1, line.len));
    if (!key_form(*key))
        return "it does not begin with a key and ':'";
    return NULL;
}

/* The next setting of the file into key and pending; false at the end. */
static bool next_setting(struct reader *r, struct str *key)
{
    struct str line;
    while (str_split(&r->rest, '\n', &line)) {
        finish(r);
        r->line++;
        while (line.len && isspace((unsigned char)line.p[line.len - 1]))
            line.len--;
        struct str text = str_trim(line);
        if (text.len == 0 || text.p[0] == '#')
            continue;
        if (!r->body && str_starts(line, STR("---")) &&
            (line.len == 3 || str_starts(str_trim(str_sub(line, 3, line.len)), STR("#"))))
            continue;
        if (str_eqz(line, "..."))
            return false;
        r->body = true;
        const char *why = cut(line, key, &r->pending);
        if (!why)
            return true;
        config_error(r->c, "%s line %d: %s", r->c->file.p ? r->c->file.p : "config", r->line, why);
    }
    return false;
}

/* inih's reader: one line of at most num - 1 bytes. */
static char *read_piece(char *out, int num, void *stream)
{
    struct reader *r = stream;
    size_t n = 0, room = (size_t)num;
    if (r->pending.len == 0) {
        struct str key;
        r->pending = STR_NULL;
        if (!next_setting(r, &key))
            return NULL;
        memcpy(out, key.p, key.len);
        n = key.len;
        out[n++] = ':';
        r->fresh = true;
    }
    out[n++] = ' ';
    out[n++] = GUARD;
    char before = ' ';
    while (r->pending.len && n + 5 < room) {
        char c = r->pending.p[0];
        if (c == ';' && isspace((unsigned char)before))
            out[n++] = GUARD;
        out[n++] = before = c;
        r->pending = str_sub(r->pending, 1, r->pending.len);
    }
    out[n++] = GUARD;
    out[n++] = '\n';
    out[n] = '\0';
    return out;
}

void config_file_text(struct config *c, struct str text)
{
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_sub(text, 3, text.len);
    struct reader r = {.c = c, .rest = text};
    int rc = text.len ? ini_parse_stream(read_piece, &r, handler, &r) : 0;
    finish(&r);
    if (rc)
        config_error(c, "%s line %d: it cannot be parsed", c->file.p ? c->file.p : "config",
                     r.line);
}

/* The whole file, to be freed by the caller; NULL after an error. */
static char *slurp(struct config *c, const char *path, size_t *n)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        config_error(c, "cannot read the configuration %s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t cap = 16 * 1024;
    *n = 0;
    do {
        cap *= 2;
        text = mem_realloc(text, cap);
        *n += fread(text + *n, 1, cap - *n, f);
    } while (*n == cap && cap < MAX_FILE);
    if (ferror(f))
        config_error(c, "cannot read the configuration %s: %s", path, strerror(errno));
    else if (!feof(f))
        config_error(c, "the configuration %s is larger than 1 MiB", path);
    else if (memchr(text, '\0', *n))
        config_error(c, "the configuration %s is not a text file", path);
    fclose(f);
    return text;
}

void config_file_read(struct config *c, const char *path)
{
    size_t n, errors = c->nerrors;
    char *text = slurp(c, path, &n);
    if (text && c->nerrors == errors)
        config_file_text(c, str_make(text, n));
    if (text)
        explicit_bzero(text, n);
    mem_free(text);
}
