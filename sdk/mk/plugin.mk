# SPDX-License-Identifier: Apache-2.0
# Builds storage plugins, in this repository and outside it.  A third party's
# whole Makefile:
#
#     STK_SDK := $(shell pkg-config --variable=sdkdir supertokens-plugin)
#     include $(STK_SDK)/mk/plugin.mk
#     $(eval $(call stk-plugin,NAME,src,migration_scripts/NAME))
#     all: $(NAME_so)
#
# `all` is what `make` makes unless a target came before.
# stk-plugin takes the name, the folder of the .c files and (optional) the
# folder of the NNN_*.sql or NNN_*.json scripts, and makes $(O)/plugins/NAME.so
# (or NAME.so in the folder given fourth), also in the variable NAME_so.  Set
# before the call, where needed:
#     NAME_pkgs    pkg-config packages of the client library
#     NAME_cflags  more compiler flags
#     NAME_libs    more libraries
#     NAME_nokit   non-empty: do not link sdk/sql

STK_SDK ?= $(patsubst %/mk/,%,$(dir $(lastword $(MAKEFILE_LIST))))
O ?= build
PKG_CONFIG ?= pkg-config
ifeq ($(.DEFAULT_GOAL),)
.DEFAULT_GOAL := all
endif

STK_CPPFLAGS ?= -D_GNU_SOURCE
STK_CFLAGS ?= -std=c11 -O2 -g -Wall -Wextra
STK_KIT_CPPFLAGS = $(STK_CPPFLAGS) -I$(STK_SDK)/include -I$(STK_SDK)/sql
STK_PLUGIN_CFLAGS = $(STK_CFLAGS) -fPIC -fvisibility=hidden
# One symbol leaves the plugin; an unresolved one is a link error, not a surprise
# at dlopen().  The sanitizers' own symbols come from the program, so not there.
STK_PLUGIN_LDFLAGS = -shared $(if $(SAN),,-Wl,-z,defs) -Wl,-z,now -Wl,-z,relro \
    -Wl,-z,noexecstack -Wl,--exclude-libs,ALL $(STK_LDFLAGS)

# Prints the command in short, or whole with V=1.
stk_say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))' &&)

stk_kit_srcs := $(sort $(wildcard $(STK_SDK)/sql/*.c))
stk_kit_objs := $(patsubst $(STK_SDK)/sql/%.c,$(O)/obj/sdk-sql/%.o,$(stk_kit_srcs))
stk_kit := $(if $(stk_kit_objs),$(O)/lib/libstksql.a)

$(O)/obj/sdk-sql/%.o: $(STK_SDK)/sql/%.c $(STK_STAMP)
	@mkdir -p $(@D)
	$(call stk_say,CC,$@) $(CC) $(STK_KIT_CPPFLAGS) $(STK_PLUGIN_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/lib/libstksql.a: $(stk_kit_objs) $(STK_STAMP)
	@mkdir -p $(@D) && rm -f $@
	$(call stk_say,AR,$@) $(AR) rcs $@ $(stk_kit_objs)

-include $(stk_kit_objs:.o=.d)

define stk-plugin
$(1)_srcs := $$(sort $$(wildcard $(2)/*.c $(2)/*/*.c))
$(1)_scripts := $$(if $(3),$$(sort $$(wildcard $(3)/[0-9][0-9][0-9]_*.sql $(3)/[0-9][0-9][0-9]_*.json)))
$(1)_objs := $$(patsubst $(2)/%.c,$$(O)/obj/plugin-$(1)/%.o,$$($(1)_srcs))
$(1)_kit := $$(if $$($(1)_nokit),,$$(stk_kit))
$(1)_so := $$(if $(4),$(4),$$(O)/plugins)/$(1).so

# Depends on the generated file for STK_NMIGRATIONS.
$$(O)/obj/plugin-$(1)/%.o: $(2)/%.c $$(O)/gen/$(1)_migrations.c $$(STK_STAMP)
	@mkdir -p $$(@D)
	$$(call stk_say,CC,$$@) $$(CC) $$(STK_KIT_CPPFLAGS) -I$(2) \
	    -DSTK_NMIGRATIONS=$$(words $$($(1)_scripts)) \
	    $$(if $$($(1)_pkgs),$$$$($$(PKG_CONFIG) --cflags $$($(1)_pkgs))) $$($(1)_cflags) \
	    $$(STK_PLUGIN_CFLAGS) -MMD -MP -c -o $$@ $$<

# Always made, so that a plugin without scripts links as well.
$$(O)/gen/$(1)_migrations.c: $$($(1)_scripts) $$(STK_SDK)/mk/embed-migrations $$(STK_STAMP)
	@mkdir -p $$(@D)
	$$(call stk_say,EMBED,$$@) sh $$(STK_SDK)/mk/embed-migrations $$($(1)_scripts) >$$@.tmp
	@mv $$@.tmp $$@

$$(O)/obj/plugin-$(1)/migrations.gen.o: $$(O)/gen/$(1)_migrations.c
	@mkdir -p $$(@D)
	$$(call stk_say,CC,$$@) $$(CC) $$(STK_KIT_CPPFLAGS) $$(STK_PLUGIN_CFLAGS) -c -o $$@ $$<

$$($(1)_so): $$($(1)_objs) $$(O)/obj/plugin-$(1)/migrations.gen.o $$($(1)_kit) $$(STK_STAMP)
	@mkdir -p $$(@D)
	$$(call stk_say,LD,$$@) $$(CC) $$(STK_CFLAGS) $$(STK_PLUGIN_LDFLAGS) -o $$@ $$($(1)_objs) \
	    $$(O)/obj/plugin-$(1)/migrations.gen.o $$($(1)_kit) \
	    $$(if $$($(1)_pkgs),$$$$($$(PKG_CONFIG) --libs $$($(1)_pkgs))) $$($(1)_libs) -lpthread

-include $$($(1)_objs:.o=.d)
endef
