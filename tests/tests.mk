# Tests and checks. `make check` is one pass over the build in B, `make test` the passes that count:
#   make test PYTEST_ARGS='-k watch'     make check SAN=1     make unit     make e2e     make abi

PYTEST ?= /usr/bin/python3 -m pytest
PYTEST_ARGS ?=
E2E ?= tests/e2e
JOBS   := $(shell nproc)
# Most tests wait for others most of the time.
PYTEST_JOBS ?= $(shell echo $$((2 * $(JOBS))))

.PHONY: deps
deps:
	$(Q)tools/install-deps build test

.PHONY: test
test: deps
	$(Q)$(MAKE) --no-print-directory B=build/gcc check
	$(Q)$(MAKE) --no-print-directory B=build/gcc-asan SAN=1 check
	@echo "test: all passed, plainly and under ASan+UBSan"

.PHONY: check
check:
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) tests-build
	$(Q)$(MAKE) --no-print-directory unit abi e2e

.PHONY: tests-build
tests-build: all $(UNIT_BIN) fakes tracer abi-builds ca-programs

# A real step-ca, from PATH or built from Debian's packages; both passes use the same.
.PHONY: ca-programs
ca-programs:
	$(Q)tests/ca/build build/ca

# ---- unit ----
$(B)/tests/unit/%: tests/unit/%.c $(B)/libcore.a
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(CORE_INC) $(LDFLAGS) $< $(B)/libcore.a $(CORE_LIBS) -lcmocka -o $@

# The programs' parts but their main()s: tests/unit/main/ and tests/unit/ctl/
UNIT_BIN += $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/main/test_*.c tests/unit/ctl/test_*.c)))
MAIN_PARTS = $(filter-out %/hotcertd.o,$(MAIN_OBJ)) $(B)/libcore.a
CTL_PARTS  = $(filter-out %/hotcertctl.o,$(CTL_OBJ)) $(B)/libcore.a

$(B)/tests/unit/main/%: tests/unit/main/%.c $(MAIN_PARTS)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(CORE_INC) $(LDFLAGS) $< $(MAIN_PARTS) $(CORE_LIBS) -lcmocka -o $@

$(B)/tests/unit/ctl/%: tests/unit/ctl/%.c $(CTL_PARTS)
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(CORE_INC) $(LDFLAGS) $< $(CTL_PARTS) $(CORE_LIBS) -lcmocka -o $@

.PHONY: unit
unit: $(UNIT_BIN)
	$(Q)set -e; for t in $(UNIT_BIN); do echo "== $$t"; $$t; done

# ---- fake plugins, each one a way to misbehave ----
FAKE_SO = $(patsubst %.c,$(B)/%.so,$(wildcard tests/plugins/*.c))

$(B)/tests/plugins/%.so: tests/plugins/%.c plugins/plugin.map Makefile
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(PLUGIN_INC) -shared $(LINK) \
		-Wl,--version-script=plugins/plugin.map $(LDFLAGS) $< -o $@

.PHONY: fakes
fakes: $(FAKE_SO)

# ---- kills a program at one of its system calls, or fills its disk there ----
.PHONY: tracer
tracer: $(B)/tests/at_syscall

$(B)/tests/at_syscall: tests/trace/at_syscall.c
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 $< -o $@

# ---- ABI: the header as 1.0 froze it, and one in which every struct has grown ----
$(B)/abi-1.0/include/hotcert/plugin.h: tests/abi/plugin-1.0.h
	$(Q)mkdir -p $(@D) && cp $< $@

$(B)/abi-next/include/hotcert/plugin.h: core/include/hotcert/plugin.h tests/abi/grow-header
	$(Q)mkdir -p $(@D) && tests/abi/grow-header $< >$@

ABI_MAKE = $(MAKE) --no-print-directory B=$(B)/abi-$(1) HEADER=$(B)/abi-$(1)/include

.PHONY: abi-builds
abi-builds: $(B)/abi-1.0/include/hotcert/plugin.h $(B)/abi-next/include/hotcert/plugin.h
	+$(Q)$(call ABI_MAKE,1.0) plugins fakes
	+$(Q)$(call ABI_MAKE,next) CFLAGS='$(CFLAGS) -Wno-missing-field-initializers' $(B)/abi-next/hotcertd $(B)/abi-next/hotcertctl fakes

.PHONY: abi
abi:
	$(Q)tests/abi/check-header core/include/hotcert/plugin.h tests/abi/plugin-1.0.h

# ---- end to end ----
.PHONY: e2e
e2e: all fakes
	$(Q)HOTCERT_BUILD=$(B) $(PYTEST) -q -n $(PYTEST_JOBS) --dist loadgroup $(E2E) $(PYTEST_ARGS)

# The stepca plugin against the current step-ca, built through the Go module proxy with a current Go.
CURRENT_CA = build/ca-current
.PHONY: test-current-ca
test-current-ca: tests-build
	$(Q)PATH="$$PATH:/usr/local/go/bin" tests/ca/current $(CURRENT_CA)
	$(Q)HOTCERT_BUILD=$(B) HOTCERT_CA_DIR=$(CURDIR)/$(CURRENT_CA) STEP_CA=$(CURDIR)/$(CURRENT_CA)/bin/step-ca \
		$(PYTEST) -q tests/e2e/test_stepca*.py tests/e2e/test_acme_step_ca.py $(PYTEST_ARGS)

include tests/matrix.mk
include tests/fuzz.mk

# ---- checks ----
C_FILES = $(shell git ls-files '*.c' 2>/dev/null || find core plugins tests examples -name '*.c')
H_FILES = $(shell git ls-files '*.h' 2>/dev/null || find core plugins tests examples -name '*.h')
TIDY    = $(patsubst %.c,build/lint/%.tidy,$(filter-out $(NO_CLIENT),$(C_FILES)))

.PHONY: lint
lint:
	$(Q)tools/install-deps build test lint
	$(Q)$(MAKE) --no-print-directory check-layers check-size check-format
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) CC=clang B=build/clang all $(UNIT_BIN:$(B)/%=build/clang/%) fakes bench-build
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) -k check-tidy check-cppcheck
	@echo "lint: clean"

.PHONY: check-layers
check-layers:
	$(Q)tools/check-layers && tools/check-layers-test && echo "  layers: all includes point down"

.PHONY: check-size
check-size:
	$(Q)tools/check-size $(filter core/% plugins/% examples/%,$(C_FILES))

# Releases of clang-format differ in details; one has to decide.
.PHONY: check-format
check-format:
	$(Q)case "$$(clang-format --version)" in \
	*' 14.'*) clang-format --dry-run -Werror $(C_FILES) $(H_FILES) && echo "  format: clean" ;; \
	*) echo "  format: not checked, that takes clang-format 14" ;; esac

.PHONY: check-tidy
check-tidy: $(TIDY)

build/lint/%.tidy: %.c .clang-tidy $(H_FILES)
	$(Q)mkdir -p $(@D)
	$(call say,TIDY,$<) clang-tidy --quiet $< -- -std=c11 -D_GNU_SOURCE $(CORE_INC) -Iplugins 2>/dev/null && touch $@

.PHONY: check-cppcheck
check-cppcheck:
	$(Q)mkdir -p build/lint/cppcheck
	$(call say,CPP,core plugins tests) cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem --suppress=memleak --suppress=preprocessorErrorDirective \
		--cppcheck-build-dir=build/lint/cppcheck -j$(JOBS) $(CORE_INC) -Iplugins $(C_FILES)

# ---- demo ----
.PHONY: demo
demo:
	$(Q)tools/install-deps build demo
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)HOTCERT_BUILD=$(B) /usr/bin/python3 demo/demo.py
