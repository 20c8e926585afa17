# `make fuzz`: each reader of what strangers send, by libFuzzer, for FUZZ_SECONDS; new inputs go to build/fuzz/NAME
#
#   make fuzz FUZZ_SECONDS=3600 FUZZ=redis_reply

FUZZ         ?= acme ca_reply config jwe pem redis_reply
FUZZ_SECONDS ?= 60
FUZZ_BIN      = $(FUZZ:%=build/fuzz/fuzz_%)

acme_FUZZED = $(addprefix plugins/stepca/,acme_object.c acme_problem.c acme_listen_http.c acme_proof.c b64.c ca_api.c names.c) \
              plugins/common/pem.c plugins/common/text.c
ca_reply_FUZZED = plugins/stepca/ca_api.c plugins/common/pem.c plugins/common/text.c
config_FUZZED = $(wildcard core/model/config*.c core/model/option*.c) core/model/ini.c \
                $(addprefix core/base/,arena.c errors.c fs.c log.c str.c)
jwe_FUZZED = $(addprefix plugins/stepca/,jwe.c jwk.c b64.c)
pem_FUZZED = core/model/pem.c $(wildcard core/model/certificate*.c) core/base/str.c
redis_reply_FUZZED = $(addprefix plugins/redis/,files.c path_map.c reader.c reply.c server.c view.c)

.PHONY: fuzz-build fuzz
fuzz-build: $(FUZZ_BIN)

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(H_FILES)
	$(Q)tools/install-deps build test lint fuzz
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) clang -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined $(CORE_INC) -Iplugins \
		$< $($*_FUZZED) -lhiredis -ljansson -linih -lcrypto -lssl -o $@

fuzz: fuzz-build
	$(Q)set -e; for name in $(FUZZ); do \
		mkdir -p build/fuzz/$$name; \
		[ $$name != pem ] || tests/fuzz/make-pem-corpus build/fuzz/pem; \
		corpus=tests/fuzz/corpus/$$name; [ -d $$corpus ] || corpus=; \
		build/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 build/fuzz/$$name $$corpus; done
