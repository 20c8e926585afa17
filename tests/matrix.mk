# `make test-matrix`: the tests on another Debian, and clients of Redis that tests need
#
#   make test-matrix        make test-matrix MATRIX_TESTS=tests/e2e/test_stepca.py MATRIX_SUITES='bookworm trixie'
#   make demo-matrix        the demo in a fresh Debian 12 and in a fresh Debian 13 that have git, make and nothing else
#
# Needs root. What debootstrap has made and what was built in it is kept in build/matrix/; `make clean` removes it.

MATRIX_SUITES ?= trixie
MATRIX_TESTS  ?= tests/e2e

.PHONY: test-matrix
test-matrix:
	$(Q)tools/install-deps matrix
	$(Q)set -e; for suite in $(MATRIX_SUITES); do \
		tests/matrix/run $$suite test tests/matrix/inside '$(MATRIX_TESTS)'; done
	@echo "test-matrix: all passed on $(MATRIX_SUITES)"

.PHONY: demo-matrix
demo-matrix:
	$(Q)tools/install-deps matrix
	$(Q)set -e; for suite in bookworm trixie; do \
		rm -rf --one-file-system build/matrix/$$suite/demo; \
		tests/matrix/run $$suite demo sh -c '{ apt-get update && \
			apt-get -y --no-install-recommends install git make; } >/dev/null && make demo'; \
		rm -rf --one-file-system build/matrix/$$suite/demo; done
	@echo "demo-matrix: seen on Debian 12 and Debian 13"

# hiredis has TLS from 1.0 on, so not on Debian 12; what needs the client is skipped there.
CLIENT_BIN = $(if $(wildcard /usr/include/hiredis/hiredis_ssl.h),$(B)/tests/clients/hiredis_tls)
NO_CLIENT  = $(if $(CLIENT_BIN),,$(wildcard tests/clients/*.c))

$(B)/tests/clients/%: tests/clients/%.c Makefile
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(LDFLAGS) $< -lhiredis_ssl -lhiredis -lssl -lcrypto -o $@

tests-build: $(CLIENT_BIN)
