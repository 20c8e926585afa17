# Clients of Redis that the tests need, and `make test-matrix`: the same tests on another Debian
#   make test-matrix        make test-matrix MATRIX_SUITES=trixie MATRIX_TESTS='tests/e2e/test_redis.py'

# hiredis has TLS from 1.0 on, so not on Debian 12; what needs the client is skipped there.
CLIENT_BIN = $(if $(wildcard /usr/include/hiredis/hiredis_ssl.h),$(B)/tests/clients/hiredis_tls)

$(B)/tests/clients/%: tests/clients/%.c Makefile
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(LDFLAGS) $< -lhiredis_ssl -lhiredis -lssl -lcrypto -o $@

tests-build: $(CLIENT_BIN)
