# make bench [BENCH_ARGS="--quick --only start"]: speed and size, as ratios against a floor and a peer

BENCH_ARGS ?=
BENCH_BIN = $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))

$(B)/tests/bench/%: tests/bench/%.c Makefile
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(LDFLAGS) $< -lssl -lcrypto -o $@

.PHONY: bench
bench:
	$(Q)tools/install-deps build test bench
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all fakes bench-build
	$(Q)tests/ca/build $${HOTCERT_CA_DIR:-build/ca}
	$(Q)HOTCERT_BUILD=$(B) /usr/bin/python3 tests/bench/bench.py $(BENCH_ARGS)

.PHONY: bench-build
bench-build: $(BENCH_BIN)
