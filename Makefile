# hotcert - keeps TLS certificates hot
#
#   make demo     see it work on a real step-ca and a real Redis (installs what is missing)
#   make test     unit, ABI and end-to-end tests, plainly and under ASan+UBSan
#   make          build only         make install   DESTDIR= prefix=     (make uninstall)
#   make lint     style and layers   make bench     speed and size, as ratios
#   make test-matrix                 the tests on another Debian: tests/matrix.mk
#   make deps     installs through apt what is missing
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
docdir     ?= $(prefix)/share/doc/hotcert

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
B  ?= build/$(notdir $(CC))$(if $(SAN),-asan)
# Where <hotcert/plugin.h> is; tests/abi/ builds against an older and a newer one.
HEADER ?= core/include

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
CORE_INC   = -I$(HEADER) -Icore -DHC_VERSION='"$(VERSION)"' -DHC_PLUGIN_DIR='"$(plugindir)"'
PLUGIN_INC = -I$(HEADER) -Iplugins -DHC_VERSION='"$(VERSION)"'
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

# The one file that knows where plugins are installed.
$(B)/core/model/config_keys.o: $(B)/plugindir
$(B)/plugindir: FORCE
	@mkdir -p $(@D) && echo '$(plugindir)' | cmp -s - $@ || echo '$(plugindir)' >$@
.PHONY: FORCE

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

include tests/tests.mk
include tests/bench/bench.mk

# ---- installation: MODE:FILE:DIRECTORY, for install and uninstall alike ----
INSTALLED = 755:$(B)/hotcertd:$(sbindir) 755:$(B)/hotcertctl:$(bindir) \
	$(PLUGIN_SO:%=644:%:$(plugindir)) \
	644:core/include/hotcert/plugin.h:$(includedir)/hotcert \
	$(patsubst %.in,644:$(B)/%:$(pkgconfigdir),$(wildcard hotcert.pc.in)) \
	$(patsubst systemd/%,644:$(B)/systemd/%:$(unitdir),$(wildcard systemd/*.service)) \
	$(patsubst %,644:%:$(docdir)/conf.d,$(wildcard conf.d/*)) \
	$(patsubst %,644:%:$(docdir)/hotcertd.service.d,$(wildcard systemd/hotcertd.service.d/*)) \
	$(patsubst %,644:%:$(docdir),$(wildcard README.md)) \
	$(foreach m,$(MAN),644:$(m):$(mandir)/man$(subst .,,$(suffix $(m))))
MAN = $(patsubst %,$(B)/%,$(wildcard man/*.[1-8]))
item = $(word $(2),$(subst :, ,$(1)))
target = $(DESTDIR)$(call item,$(1),3)/$(notdir $(call item,$(1),2))
subst_paths = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@prefix@|$(prefix)|g' -e 's|@includedir@|$(includedir)|g' \
	-e 's|@plugindir@|$(plugindir)|g' -e 's|/usr/sbin/|$(sbindir)/|g' -e 's|/usr/bin/|$(bindir)/|g'

$(B)/%.pc: %.pc.in Makefile $(B)/plugindir
	$(Q)mkdir -p $(@D) && $(subst_paths) $< >$@

# The manual's tables of keys come from the programs themselves.
$(B)/man/%: man/% tools/fill-man $(B)/hotcertd $(PLUGIN_SO)
	$(Q)mkdir -p $(@D) && tools/fill-man $(B)/hotcertd $(B)/plugins <$< >$@

$(B)/systemd/%: systemd/% Makefile $(B)/plugindir
	$(Q)mkdir -p $(@D) && $(subst_paths) $< >$@

.PHONY: install uninstall
install: all $(foreach i,$(INSTALLED),$(call item,$(i),2))
	$(foreach i,$(INSTALLED),install -D -m $(call item,$(i),1) $(call item,$(i),2) $(call target,$(i))$(newline)	)
	install -d -m 755 $(DESTDIR)$(prefix)/lib/hotcert/conf.d

uninstall:
	$(foreach i,$(INSTALLED),rm -f $(call target,$(i))$(newline)	)
	-rmdir -p --ignore-fail-on-non-empty $(addprefix $(DESTDIR),$(sort $(docdir)/conf.d \
		$(docdir)/hotcertd.service.d $(plugindir) $(prefix)/lib/hotcert/conf.d $(includedir)/hotcert)) 2>/dev/null

define newline


endef

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
