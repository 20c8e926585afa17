# hotcert - keeps TLS certificates hot
#
#   make demo     see it work on a real step-ca and a real Redis (installs what is missing)
#   make test     unit, ABI and end-to-end tests, plainly and under ASan+UBSan
#   make          build only         make install   DESTDIR= prefix=
#   make lint     style and layers   make bench     speed and size, as ratios
#
# B=build/NAME chooses the build directory, CC=clang the compiler, SAN=1 the sanitizers, V=1 shows commands.

VERSION = 0.1.0

prefix     ?= /usr
sbindir    ?= $(prefix)/sbin
bindir     ?= $(prefix)/bin
libdir     ?= $(prefix)/lib
includedir ?= $(prefix)/include
mandir     ?= $(prefix)/share/man
sysconfdir ?= /etc
plugindir  ?= $(prefix)/lib/hotcert/plugins
unitdir    ?= $(prefix)/lib/systemd/system
pkgconfigdir ?= $(libdir)/pkgconfig

B  ?= build/gcc
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))

WARN   = -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Werror
OPT   ?= -O2 -g
HARDEN = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
LINK   = -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
OPT    = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
HARDEN =
endif

CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden $(WARN) $(OPT) $(HARDEN) $(CFLAGS)
CFLAGS_ALL += -MMD -MP
CORE_INC   = -Icore/include -Icore -DHC_VERSION='"$(VERSION)"' -DHC_PLUGIN_DIR='"$(plugindir)"'
PLUGIN_INC = -Icore/include -Iplugins -DHC_VERSION='"$(VERSION)"'
CORE_LIBS  = -lev -linih -ljansson -lcrypto -ldl -lpthread

Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2);)

CORE_SRC = $(sort $(wildcard core/base/*.c core/platform/*.c core/model/*.c core/plugins/*.c core/engine/*.c))
CORE_OBJ = $(CORE_SRC:%.c=$(B)/%.o)
MAIN_OBJ = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard core/main/*.c)))
CTL_OBJ  = $(patsubst %.c,$(B)/%.o,$(sort $(wildcard core/ctl/*.c)))

PLUGINS   = $(sort $(patsubst plugins/%/plugin.mk,%,$(wildcard plugins/*/plugin.mk)))
UNIT_SRC  = $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN  = $(UNIT_SRC:%.c=$(B)/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: $(B)/hotcertd $(B)/hotcertctl plugins

# ---- core ----
$(B)/core/%.o: core/%.c Makefile
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CFLAGS_ALL) $(CORE_INC) -c $< -o $@

$(B)/libcore.a: $(CORE_OBJ)
	$(call say,AR,$@) rm -f $@ && ar rcs $@ $^

$(B)/hotcertd: $(MAIN_OBJ) $(B)/libcore.a
	$(call say,LD,$@) $(CC) $(OPT) -pie $(LINK) $(LDFLAGS) $^ $(CORE_LIBS) -o $@

$(B)/hotcertctl: $(CTL_OBJ) $(B)/libcore.a
	$(call say,LD,$@) $(CC) $(OPT) -pie $(LINK) $(LDFLAGS) $^ -ljansson -o $@

# ---- plugins: plugins/NAME/plugin.mk sets NAME_COMMON (files of plugins/common) and NAME_LIBS ----
$(B)/plugins/%.o: plugins/%.c Makefile
	$(Q)mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CFLAGS_ALL) $(PLUGIN_INC) -c $< -o $@

include $(wildcard plugins/*/plugin.mk)

define plugin_rule
$(1)_OBJ = $$(patsubst %.c,$$(B)/%.o,$$(sort $$(wildcard plugins/$(1)/*.c)) $$(addprefix plugins/common/,$$($(1)_COMMON)))
$$(B)/plugins/$(1).so: $$($(1)_OBJ) plugins/plugin.map
	$$(call say,LD,$$@) $$(CC) $$(OPT) -shared $$(LINK) -Wl,--version-script=plugins/plugin.map $$(LDFLAGS) \
		$$($(1)_OBJ) $$($(1)_LIBS) -o $$@
# The plugin's code without its border, for unit tests: tests/unit/$(1)/test_*.c
$$(B)/tests/unit/$(1)/%: tests/unit/$(1)/%.c $$($(1)_OBJ)
	$$(Q)mkdir -p $$(@D)
	$$(call say,LD,$$@) $$(CC) $$(CFLAGS_ALL) $$(PLUGIN_INC) $$(LDFLAGS) $$< $$($(1)_OBJ) $$($(1)_LIBS) -lcmocka -o $$@
PLUGIN_SO += $$(B)/plugins/$(1).so
UNIT_BIN  += $$(patsubst %.c,$$(B)/%,$$(sort $$(wildcard tests/unit/$(1)/test_*.c)))
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rule,$(p))))

.PHONY: plugins
plugins: $(PLUGIN_SO)

# ---- unit tests ----
$(B)/tests/unit/%: tests/unit/%.c $(B)/libcore.a
	$(Q)mkdir -p $(@D)
	$(call say,LD,$@) $(CC) $(CFLAGS_ALL) $(CORE_INC) $(LDFLAGS) $< $(B)/libcore.a $(CORE_LIBS) -lcmocka -o $@

.PHONY: unit
unit: $(UNIT_BIN)
	$(Q)set -e; for t in $(UNIT_BIN); do echo "== $$t"; $$t; done

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
