# SPDX-License-Identifier: Apache-2.0
# Puts the bugs of STK_MEMORY_BUG into the template's sources.  The build counts them: a line
# of the template that has changed and is no longer found here fails it.

# check.c
s/^\( *if (v->type == STK_T_NULL && write && \)\(!(to->flags & STK_COL_NOT_NULL)\))$/\1(\2 || bug("not-null")))/
s/^\( *else if (write && v->type >= STK_T_TEXT && len > (int64_t)to->max_len\))$/\1 \&\& !bug("too-big"))/
s/^\( *if (\)\(p->op < STK_EQ || p->op > STK_KEYSET\))$/\1(\2) \&\& !bug("unknown"))/

# engine.c
/^static int compare(/,/^}/ s/^    uint32_t n = /    int wrong = 0; \/* bug("pad") bug("case") *\/\n    if (bug_compare(a, b, \&wrong))\n        return wrong;\n&/
s/^    struct change \*c = malloc(sizeof(\*c));$/    if (bug("arena"))\n        bug_spoil();\n&/
/^static bool same_key(/,/^}/ s/^        if (v.type == STK_T_NULL || w.type/        if (v.type == STK_T_NULL \&\& w.type == STK_T_NULL \&\& bug("null"))\n            continue;\n&/
s/^            return k->desc ? c < 0 : c > 0;$/&\n        if (bug("keyset"))\n            break;/
s/^    default: \/\* STK_PREFIX \*\/$/&\n        if (memchr(with->u.p, '%', with->len) \&\& bug("like"))\n            return true;/
s/^            return o->desc ? -c : c;$/            return o->desc \&\& !bug("order") ? -c : c;/
s/^    return n < limit ? n : (uint32_t)limit;$/    return n < limit || bug("limit") ? n : (uint32_t)limit;/
s/^            j->err->key = i;$/            j->err->key = bug("key") ? 0 : i;/
/^static stk_status duplicate(/,/^}/ s/^    j->err->table = j->q->table;$/&\n    if (bug("value"))\n        bug_tell(j->call, j->err);/
s/^        if (!old || s->how == STK_SET)$/        if (!old || s->how == STK_SET || (s->how == STK_KEEP \&\& bug("keep")))/
s/^        } else if (there && (j->q->flags & STK_QF_IF_ABSENT)) {$/        } else if (there \&\& (j->q->flags \& STK_QF_IF_ABSENT) \&\& !bug("if-absent")) {/
s/^    j->call->result->affected = n; .*$/    j->call->result->affected = n - (n \&\& j->q->op == STK_OP_UPDATE \&\& bug("affected"));/
s/^                v.u.p = stk_arena_text(/                v.u.p = bug("arena") ? bug_copy(v.u.p, v.len) : stk_arena_text(/
s/^    bool met = call->expect == STK_EXPECT_NONE ||$/    bool met = call->expect == STK_EXPECT_NONE || bug("expect") ||/

# exec.c
s/^    uint64_t until = deadline_us ? deadline_us :/    uint64_t until = deadline_us \&\& !bug("deadline") ? deadline_us :/
s/^    engine_undo(&txn->changes);$/    (bug("rollback") ? engine_keep : engine_undo)(\&txn->changes);/
s/^        err->call = (uint16_t)at;$/        err->call = bug("call") ? 0 : (uint16_t)at;/
s/^    if (b->flags & ~(uint32_t)STK_X_COMMIT)$/    if ((b->flags \& ~(uint32_t)STK_X_COMMIT) \&\& !bug("flags"))/
s/^    b->round_trips++;$/&\n    if (bug("stdout"))\n        puts("exec");/
s/^    if (!txn && rc < 0)$/    if (!txn \&\& rc < 0 \&\& !bug("half"))/

# schema.c
s/^        return missing(err, "table", l->name, "");$/        return bug("verify") ? STK_OK : missing(err, "table", l->name, "");/
s/^    if (!(db->flags & STK_OPEN_SCRATCH))$/    if (!(db->flags \& STK_OPEN_SCRATCH) \&\& !bug("drop"))/
s/^        if (h && edited(h, &scripts\[i\]))$/        if (h \&\& edited(h, \&scripts[i]) \&\& !bug("edited"))/
s/^        if (scripts\[i\].version > to || recorded(db->d, scripts\[i\].version))$/        if (scripts[i].version > to || (recorded(db->d, scripts[i].version) \&\& !bug("again")))/
