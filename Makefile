# SPDX-License-Identifier: Apache-2.0
# SuperTokens Core in C.  `make help` lists the targets.
#
# Variables: O=DIR (output folder, default build), CC, WERROR=0, V=1 (whole
# commands), SAN=address,undefined or SAN=thread, PREFIX=, DESTDIR=,
# DEPS=all|none (what `make deps` and `make test` may install).

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: FORCE all help clean dist

SAN ?=
O ?= build$(if $(SAN),/$(if $(findstring thread,$(SAN)),tsan,asan))
PREFIX ?= /usr/local
DESTDIR ?=
WERROR ?= 1
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.1.0)

# ------------------------------------------------------------------- flags

warnings := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
    -Wcast-qual -Wwrite-strings -Wconversion -Wno-sign-conversion -Wundef \
    $(if $(SAN),-Wno-format-truncation -Wno-maybe-uninitialized,$(if $(filter 0,$(WERROR)),,-Werror))
# Sanitizers blow frames up, lead the compiler to false warnings, and bring their
# own memory checks.
hardening := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all,\
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -Wframe-larger-than=8192) \
    -fstack-protector-strong -fstack-clash-protection

STK_SDK := sdk
STK_CPPFLAGS := -D_GNU_SOURCE -DSTK_CORE_VERSION='"$(VERSION)"' \
    $(if $(findstring thread,$(SAN)),-include tests/sanitizer/tsan.h)
STK_CFLAGS = -std=c11 $(if $(SAN),-O1,-O2) -g $(warnings) $(hardening) $(CFLAGS)
STK_LDFLAGS = $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
STK_STAMP := $(O)/gen/flags

core_cppflags = -Icore -Isdk/include -Isdk/sql $(STK_CPPFLAGS)
core_cflags = $(STK_CFLAGS) -fPIE -fvisibility=hidden
exe_ldflags = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack $(STK_LDFLAGS)
core_libs := -lcivetweb -linih -ljansson -lcrypto -lcrypt -largon2 -lpcre2-8 -lutf8proc -ldl -lpthread

# Everything is rebuilt when a flag or the list of sources changes.
flags_now = $(CC) | $(STK_CPPFLAGS) $(STK_CFLAGS) $(STK_LDFLAGS)
$(STK_STAMP): FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$STK_FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$STK_FLAGS_NOW" >$@
$(STK_STAMP): export STK_FLAGS_NOW = $(flags_now)

include sdk/mk/plugin.mk

# -------------------------------------------------------------------- core

core_srcs := $(sort $(shell find core -name '*.c' 2>/dev/null))
core_objs := $(core_srcs:%.c=$(O)/obj/%.o)
core_main := $(filter $(O)/obj/core/main.o,$(core_objs))
core_lib := $(O)/lib/libcore.a

$(O)/obj/%.o: %.c $(STK_STAMP)
	@mkdir -p $(@D)
	$(call stk_say,CC,$@) $(CC) $(core_cppflags) $(core_cflags) -MMD -MP -c -o $@ $<

$(core_lib): $(filter-out $(core_main),$(core_objs)) $(O)/gen/core.list
	@mkdir -p $(@D) && rm -f $@
	$(call stk_say,AR,$@) $(AR) rcs $@ $(filter %.o,$^)

# Changes when a source comes or goes, which no time stamp would tell.
$(O)/gen/core.list: FORCE
	@mkdir -p $(@D)
	@echo '$(core_srcs)' | cmp -s - $@ || echo '$(core_srcs)' >$@

server := $(O)/bin/supertokens
$(server): $(core_main) $(core_lib)
	@mkdir -p $(@D)
	$(call stk_say,LD,$@) $(CC) $(core_cflags) $(exe_ldflags) -o $@ $^ $(core_libs)

# ------------------------------------------------------ conformance program

conform_srcs := $(sort $(wildcard sdk/conform/*.c sdk/conform/*/*.c))
conform_objs := $(conform_srcs:%.c=$(O)/obj/%.o)
conform := $(O)/bin/supertokens-plugin-test
$(conform_objs): core_cppflags = -Isdk/include -Isdk/conform $(STK_CPPFLAGS)
$(conform): $(conform_objs)
	@mkdir -p $(@D)
	$(call stk_say,LD,$@) $(CC) $(core_cflags) $(exe_ldflags) -o $@ $(filter %.o,$^) -ldl -lpthread

# ----------------------------------------------------------------- plugins

sqlite_libs := -lsqlite3
postgresql_pkgs := libpq
mysql_pkgs := libmariadb
mongodb_pkgs := libmongoc-1.0
# bson_t asks for 128 bytes, which neither its own library nor a sanitizer's stack gives.
$(O)/obj/plugin-mongodb/%.o: hardening += $(if $(SAN),-fno-sanitize=alignment)

plugins := $(sort $(foreach d,$(wildcard plugins/*),$(if $(wildcard $(d)/*.c),$(notdir $(d)))))
$(foreach p,$(plugins),$(eval $(call stk-plugin,$(p),plugins/$(p),migration_scripts/$(p))))
plugin_sos := $(foreach p,$(plugins),$($(p)_so))

# ------------------------------------------------------------------- units

unit_srcs := $(sort $(wildcard tests/unit/test_*.c))
unit_bins := $(unit_srcs:tests/unit/%.c=$(O)/tests/%)
$(O)/obj/tests/unit/%.o: core_cppflags = -Icore -Isdk/include -Isdk/sql -Itests/unit $(STK_CPPFLAGS)
$(O)/obj/tests/unit/%.o: core_cflags = $(STK_CFLAGS) -fPIE -Wno-frame-larger-than
unit_helpers := $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(unit_srcs),$(wildcard tests/unit/*.c)))

.SECONDARY:
$(O)/tests/test_%: $(O)/obj/tests/unit/test_%.o $(unit_helpers) $(core_lib) $(stk_kit)
	@mkdir -p $(@D)
	$(call stk_say,LD,$@) $(CC) $(STK_CFLAGS) $(exe_ldflags) -o $@ $^ -lcmocka $(core_libs)

# ----------------------------------------------------------------- targets

all: $(if $(core_main),$(server),$(core_lib)) $(if $(conform_srcs),$(conform)) $(stk_kit) $(plugin_sos)

-include $(core_objs:.o=.d) $(conform_objs:.o=.d) $(unit_srcs:%.c=$(O)/obj/%.d)

include mk/dev.mk
include mk/test-plugins.mk
