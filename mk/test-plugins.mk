# SPDX-License-Identifier: Apache-2.0
# Plugins that only tests use, in $(O)/tests/plugins: `memory` (rows in memory, by the
# template's sources), `memorym` (the same with migration scripts), `inject` (fails when told
# to), `bad` and its like (refused by the loader), `broken` (one bug at a time).

# Name, folder of the sources, scripts, more flags, more linker flags, more sources.
define test-plugin
$(O)/obj/test-plugin-$(1)/migrations.c: $(3) sdk/mk/embed-migrations
	@mkdir -p $$(@D)
	@sh sdk/mk/embed-migrations $(3) >$$@
$(O)/tests/plugins/$(1).so: $(wildcard $(2)/*.c $(2)/*.h) $(O)/obj/test-plugin-$(1)/migrations.c \
    $(6) $(wildcard sdk/include/*.h sdk/template/src/*.h) $(STK_STAMP)
	@mkdir -p $$(@D)
	$$(call stk_say,LD,$$@) $$(CC) $(STK_CPPFLAGS) -Isdk/include -I$(2) $(4) \
	    -DSTK_NMIGRATIONS=$(words $(3)) $$(STK_PLUGIN_CFLAGS) $$(STK_PLUGIN_LDFLAGS) -o $$@ \
	    $(wildcard $(2)/*.c) $(6) $(O)/obj/test-plugin-$(1)/migrations.c $(5) -ldl -lpthread
test_plugin_sos += $(O)/tests/plugins/$(1).so
endef

# The template's sources with the bugs of bugs.sed; "leak" is in memory.c.
memory_bugs := 27
memory_srcs := $(addprefix $(O)/obj/test-plugin-memory/,check.c engine.c exec.c schema.c)
memory_cppflags := -Isdk/template/src -include memory.h
memory_scripts := $(sort $(wildcard tests/plugins/memory/migrations/*.json))
$(memory_srcs) &: $(addprefix sdk/template/src/,check.c engine.c exec.c schema.c) \
    tests/plugins/memory/bugs.sed mk/test-plugins.mk
	@mkdir -p $(@D)
	@for f in $(notdir $(memory_srcs)); do \
	    sed -f tests/plugins/memory/bugs.sed sdk/template/src/$$f >$(@D)/$$f || exit 1; done
	@n=$$(cat $(memory_srcs) | grep -o 'bug("[a-z-]*")' | sort -u | wc -l); \
	if [ $$n -ne $(memory_bugs) ]; then rm -f $(memory_srcs); \
	    echo "tests/plugins/memory/bugs.sed puts $$n bugs into sdk/template/src, not $(memory_bugs): a line has changed"; \
	    exit 1; fi

$(eval $(call test-plugin,memory,tests/plugins/memory,,$(memory_cppflags) -DPLUGIN_NAME='"memory"',,$(memory_srcs)))
$(eval $(call test-plugin,memorym,tests/plugins/memory,$(memory_scripts),$(memory_cppflags) -DPLUGIN_NAME='"memorym"',,$(memory_srcs)))
$(eval $(call test-plugin,inject,tests/plugins/inject,,))
$(eval $(call test-plugin,broken,tests/plugins/broken,,))
$(eval $(call test-plugin,bad,tests/plugins/bad,,))
$(eval $(call test-plugin,bad_major,tests/plugins/bad,,-DBAD_MAJOR))
undefined_allowed := -Wl,-z,undefs
$(eval $(call test-plugin,bad_symbol,tests/plugins/bad,,-DBAD_SYMBOL,$(undefined_allowed)))

units: $(test_plugin_sos)
