# SPDX-License-Identifier: Apache-2.0
# Plugins that only tests use, in $(O)/tests/plugins: `memory` (rows in memory),
# `memorym` (the same with migration scripts), `inject` (fails when told to), `bad`
# and its like (refused by the loader), `broken` (one bug at a time).

# Name, folder of the sources, scripts, more flags, more linker flags.
define test-plugin
$(O)/obj/test-plugin-$(1)/migrations.c: $(3) sdk/mk/embed-migrations
	@mkdir -p $$(@D)
	@sh sdk/mk/embed-migrations $(3) >$$@
$(O)/tests/plugins/$(1).so: $(wildcard $(2)/*.c $(2)/*.h) $(O)/obj/test-plugin-$(1)/migrations.c \
    $(wildcard sdk/include/*.h) $(STK_STAMP)
	@mkdir -p $$(@D)
	$$(call stk_say,LD,$$@) $$(CC) $(STK_CPPFLAGS) -Isdk/include -I$(2) $(4) \
	    -DSTK_NMIGRATIONS=$(words $(3)) $$(STK_PLUGIN_CFLAGS) $$(STK_PLUGIN_LDFLAGS) -o $$@ \
	    $(wildcard $(2)/*.c) $(O)/obj/test-plugin-$(1)/migrations.c $(5) -ldl -lpthread
test_plugin_sos += $(O)/tests/plugins/$(1).so
endef

memory_scripts := $(sort $(wildcard tests/plugins/memory/migrations/*.sql))
$(eval $(call test-plugin,memory,tests/plugins/memory,,-DMEMORY_NAME='"memory"'))
$(eval $(call test-plugin,memorym,tests/plugins/memory,$(memory_scripts),-DMEMORY_NAME='"memorym"'))
$(eval $(call test-plugin,inject,tests/plugins/inject,,))
$(eval $(call test-plugin,broken,tests/plugins/broken,,))
$(eval $(call test-plugin,bad,tests/plugins/bad,,))
$(eval $(call test-plugin,bad_major,tests/plugins/bad,,-DBAD_MAJOR))
undefined_allowed := -Wl,-z,undefs
$(eval $(call test-plugin,bad_symbol,tests/plugins/bad,,-DBAD_SYMBOL,$(undefined_allowed)))

units: $(test_plugin_sos)
