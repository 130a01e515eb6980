# SPDX-License-Identifier: Apache-2.0
# Targets for people: dependencies, running, tests, lint, installing.

.PHONY: deps deps-test deps-lint test-env run units unit test test-run test-asan test-tsan \
    test-fault bench fuzz lint lint-format lint-rules lint-cppcheck lint-tidy format install deb image \
    compile-commands

again := $(MAKE) --no-print-directory O=$(O)
jobs := $(shell nproc 2>/dev/null || echo 2)
parallel = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(jobs))

help:
	@echo 'make            the server, the conformance program and the plugins into $(O)'
	@echo 'make run        what it needs, then the server in the foreground on port 3567'
	@echo 'make test       what it needs, then every test; PARTS="unit api" some of them'
	@echo 'make unit       unit tests only, nothing installed; K=NAME some of them'
	@echo 'make test-asan  tests under AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make test-tsan  tests of concurrency under ThreadSanitizer'
	@echo 'make test-fault kills, cuts and partitions on every database, STK_FAULT_SECONDS (300) each'
	@echo 'make lint       everything that checks without running; make format formats'
	@echo 'make bench      requests per second, latency, CPU and memory'
	@echo 'make fuzz       each fuzz target for STK_FUZZ_SECONDS (10)'
	@echo 'make install    into $(PREFIX) (PREFIX=, SYSCONFDIR=, DESTDIR=)'
	@echo 'make deb        a package for Debian; make image: a tree for a bare system'
	@echo 'make deps       build packages only; DEPS=none installs nothing, DEPS=all servers too'
	@echo 'make dist clean'
	@echo 'Variables: O=DIR CC= CFLAGS= LDFLAGS= WERROR=0 V=1 SAN=address,undefined|thread'

# ---------------------------------------------------------------- packages

deps:
	@CC='$(CC)' DEPS='$(DEPS)' scripts/deps build

deps-test:
	@CC='$(CC)' DEPS='$(DEPS)' scripts/deps build test servers

deps-lint:
	@CC='$(CC)' DEPS='$(DEPS)' scripts/deps build lint

test-env:
	@scripts/test-env $(O)

# --------------------------------------------------------------------- run

# Not a prerequisite of one another: the build reads what deps installed.
run: deps
	+@$(again) $(parallel) all
	@exec env INFO_LOG_PATH=null ERROR_LOG_PATH=null $(O)/bin/supertokens start $(ARGS)

# ------------------------------------------------------------------- tests

units: all $(unit_bins)

unit: units
	@tests/run -O $(O) -k '$(K)' unit

test: deps-test test-env
	+@start=$$(date +%s); $(again) $(parallel) units && echo "== build: $$(($$(date +%s) - start)) s"
	@tests/run -O $(O) -k '$(K)' $(PARTS)

# A test that runs make must find the same flags, else it builds everything anew.
test test-run test-asan test-tsan test-fault unit: export CC := $(CC)

# Without building and installing: `make test-run PARTS=api K=signin`.
test-run:
	@tests/run -O $(O) -k '$(K)' $(PARTS)

# The plain build's Python and Node packages serve the others as well.
san = STK_TOOLS=$(abspath $(O)) STK_HEAVY=0 STK_STORAGES=sqlite,postgresql

test-asan: test-env
	+@$(again)/asan SAN=address,undefined $(parallel) units
	@$(san) SAN=address,undefined STK_SAN=address tests/run -O $(O)/asan -k '$(K)' $(or $(PARTS),unit conformance api)

test-tsan: test-env
	+@$(again)/tsan SAN=thread $(parallel) units
	@$(san) SAN=thread STK_SAN=thread STK_PYTEST_ARGS='$(if $(K),,-m concurrent)' \
	    tests/run -O $(O)/tsan -k '$(K)' $(or $(PARTS),unit conformance api)

# What `make test` does for seconds, for minutes and on all storages.
test-fault: deps-test test-env
	+@$(again) $(parallel) units
	@STK_FAULT_SECONDS=$${STK_FAULT_SECONDS:-300} \
	    STK_FAULT_STORAGES=$${STK_FAULT_STORAGES:-sqlite,postgresql,mysql,mongodb} \
	    tests/run -O $(O) -k '$(K)' fault

fuzz:
	@CC='$(CC)' DEPS='$(DEPS)' scripts/deps build fuzz
	@O='$(O)' tests/fuzz/run

bench:
	@CC='$(CC)' DEPS='$(DEPS)' scripts/deps build bench servers
	@scripts/test-env $(O)
	+@$(again) $(parallel) all
	@STK_SRC='$(CURDIR)' STK_BUILD='$(abspath $(O))' $(O)/venv/bin/python tests/bench/run $(ARGS)

# -------------------------------------------------------------------- lint

lint_c := $(core_srcs) $(conform_srcs) $(stk_kit_srcs) \
    $(foreach p,$(plugins),$($(p)_srcs)) $(wildcard tests/plugins/*/*.c) $(unit_srcs)
format_files = $(shell find core sdk plugins tests -name '*.[ch]' 2>/dev/null | sort)
lint_cppflags := -D_GNU_SOURCE -DSTK_CORE_VERSION='"0"' -DSTK_NMIGRATIONS=1 \
    -Icore -Isdk/include -Isdk/sql -Isdk/conform -Itests/unit -Isdk/template/src

lint: deps-lint
	+@$(again) $(parallel) WERROR=1 units
	+@bad=; for part in format rules cppcheck tidy; do \
	    start=$$(date +%s); $(again) $(parallel) -k lint-$$part || bad="$$bad $$part"; \
	    echo "== lint-$$part: $$(($$(date +%s) - start)) s"; done; \
	if [ -n "$$bad" ]; then echo "lint: failed:$$bad"; exit 1; fi; echo 'lint: clean'

lint-format:
	@clang-format --dry-run --Werror $(format_files) 2>&1 | sed -n 's/^\([^ :]*:[0-9]*\):.*/\1: not as .clang-format wants it/p' \
	    | sort -u -t: -k1,1 | tee $(O)/lint-format.txt; test ! -s $(O)/lint-format.txt

lint-rules:
	@scripts/lint-rules $(wildcard $(plugin_sos))

lint-cppcheck:
	@mkdir -p $(O)/cppcheck
	@cppcheck -q -j$(jobs) --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 --cppcheck-build-dir=$(O)/cppcheck --suppressions-list=scripts/cppcheck.txt \
	    --template='{file}:{line}: {severity}: {message} [{id}]' $(lint_cppflags) $(lint_c)

# One mark a file, so that only what changed is looked at again.
# Tests and conformance are left to the compiler, cppcheck and the sanitizers.
tidy_marks := $(patsubst %.c,$(O)/tidy/%.ok,$(filter-out tests/% sdk/conform/%,$(lint_c)))
lint-tidy: $(tidy_marks)

$(O)/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@echo '  TIDY   $<'
	@$(CC) $(lint_cppflags) $(tidy_pkgs) -std=c11 -MM -MP -MT $@ -MF $(@:.ok=.d) $<
	@clang-tidy --quiet $< -- -std=c11 $(lint_cppflags) $(tidy_pkgs) \
	    $(filter-out -Werror,$(warnings)) 2>$(@:.ok=.err) \
	    || { cat $(@:.ok=.err); exit 1; }
	@touch $@
$(foreach p,$(plugins),$(eval $(O)/tidy/plugins/$(p)/%.ok: \
    tidy_pkgs = $(if $($(p)_pkgs),$$$$($(PKG_CONFIG) --cflags $($(p)_pkgs)))))
-include $(tidy_marks:.ok=.d)

format:
	clang-format -i $(format_files)

# What editors and analysers read; also at the root of the repository.
compile-commands:
	@mkdir -p $(O)
	@$(MAKE) --no-print-directory -Bn V=1 CC='$(CC)' O=$(O) units 2>/dev/null \
	    | scripts/compile-commands >$(O)/compile_commands.json
	@ln -sf $(O)/compile_commands.json compile_commands.json

# ----------------------------------------------------------- install, dist

# With SYSCONFDIR the configuration lies in SYSCONFDIR/supertokens and a link leads there.
SYSCONFDIR ?=
bindir = $(DESTDIR)$(PREFIX)/bin
libdir = $(DESTDIR)$(PREFIX)/lib/supertokens
incdir = $(DESTDIR)$(PREFIX)/include
pcdir = $(DESTDIR)$(PREFIX)/lib/pkgconfig
unitdir = $(DESTDIR)$(PREFIX)/lib/systemd/system
usersdir = $(DESTDIR)$(PREFIX)/lib/sysusers.d
docdir = $(DESTDIR)$(PREFIX)/share/doc/supertokens-core
confdir = $(if $(SYSCONFDIR),$(DESTDIR)$(SYSCONFDIR)/supertokens,$(libdir))
abi = $(shell sed -n 's/^\#define STK_ABI_M[AI][JN]OR \([0-9]*\).*/\1/p' sdk/include/stk_plugin.h | paste -sd.)

install: all
	install -d $(bindir) $(libdir)/plugins $(libdir)/migration_scripts $(libdir)/sdk $(incdir) \
	    $(pcdir) $(unitdir) $(usersdir) $(docdir) $(confdir)
	install -m 755 $(server) $(wildcard $(conform)) $(bindir)/
	install -m 755 $(plugin_sos) $(libdir)/plugins/
	for p in $(plugins); do \
	    [ -d migration_scripts/$$p ] || continue; \
	    install -d $(libdir)/migration_scripts/$$p && \
	    install -m 644 migration_scripts/$$p/*.* $(libdir)/migration_scripts/$$p/ || exit 1; \
	done
	@# An edited configuration outlives an upgrade.
	if [ -e $(confdir)/config.yaml ] || [ -L $(confdir)/config.yaml ]; then \
	    install -m 644 config/config.yaml $(confdir)/config.yaml.new; \
	else install -m 644 config/config.yaml $(confdir)/config.yaml; fi
	$(if $(SYSCONFDIR),[ -e $(libdir)/config.yaml ] || [ -L $(libdir)/config.yaml ] || \
	    ln -s $(SYSCONFDIR)/supertokens/config.yaml $(libdir)/config.yaml)
	install -m 644 $(wildcard sdk/include/*.h) $(incdir)/
	for d in include sql mk conform template; do \
	    [ -d sdk/$$d ] || continue; (cd sdk && find $$d -type f) | while read -r f; do \
	        install -D -m 644 sdk/$$f $(libdir)/sdk/$$f || exit 1; done || exit 1; \
	done
	install -m 644 PLUGINS.md $(libdir)/sdk/
	sed -e 's|@VERSION@|$(VERSION)|' -e 's|@ABI@|$(abi)|' \
	    sdk/supertokens-plugin.pc.in >$(pcdir)/supertokens-plugin.pc
	install -m 644 LICENSE README.md $(wildcard docs/*.md) $(docdir)/
	for p in $(plugins); do [ ! -f plugins/$$p/README.md ] || \
	    install -m 644 plugins/$$p/README.md $(docdir)/plugin-$$p.md || exit 1; done
	sed -e 's|@BINDIR@|$(PREFIX)/bin|' -e 's|@DOCDIR@|$(PREFIX)/share/doc/supertokens-core|' \
	    packaging/supertokens.service.in >$(unitdir)/supertokens.service
	install -m 644 packaging/supertokens.sysusers $(usersdir)/supertokens.conf

# Trees of their own, so that nothing of an earlier time is in them.
staged = $(again) -o all install PREFIX=/usr SYSCONFDIR=/etc DESTDIR=$(abspath $(O))/$(1) >/dev/null
deb_arch = $(shell dpkg --print-architecture 2>/dev/null)
deb: all
	@rm -rf $(O)/deb && mkdir -p $(O)/deb
	+@$(call staged,deb/root)
	@packaging/build-deb $(O)/deb/root $(VERSION) $(O)/supertokens-core_$(VERSION)_$(deb_arch).deb

# What packaging/Dockerfile puts on a bare Debian.
image: all
	@rm -rf $(O)/image
	+@$(call staged,image)
	@packaging/build-image $(O)/image
	@echo $(O)/image

dist_name = supertokens-core-$(VERSION)
dist:
	@mkdir -p $(O)
	git archive --format=tar.gz --prefix=$(dist_name)/ -o $(O)/$(dist_name).tar.gz HEAD
	@cd $(O) && sha256sum $(dist_name).tar.gz

clean:
	rm -rf $(O)
