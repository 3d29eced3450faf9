# SPDX-License-Identifier: Apache-2.0
#
# make              build/pailfs and build/pailctl
# make demo         install what is missing, build, show a mount at work
# make check        install what is missing, build, run every check and test;
#                   TESTS="tests/sys/test_x.py -k name" narrows the last part
# make check-asan check-tsan check-long     the tests again, with more patience
# make bench        install what is missing, build, measure (README.md, Speed)
# make unit lint lint-deep hdr-check format setup (un)install clean
#
# FLAVOUR=asan|tsan builds with sanitizers under build/FLAVOUR, FLAVOUR=kill a
# pailfs that tests kill from within (s3/base/killpoint.h).  V=1 shows the
# commands; WERROR=1 (or CI=1) makes a warning an error.

VERSION := 0.1.0

CC	?= cc
CFLAGS	?= -O2 -g
DESTDIR	?=
PREFIX	?= /usr/local
BINDIR	?= $(PREFIX)/bin
MANDIR	?= $(PREFIX)/share/man
# mount(8) looks for them in /sbin only; the second one is for remounts.
SBINDIR	?= $(if $(filter /usr /usr/local,$(PREFIX)),/sbin,$(PREFIX)/sbin)
HELPERS	 = $(SBINDIR)/mount.pailfs $(SBINDIR)/mount.fuse.pailfs

LAYERS	 := fs cache s3 s3/base
PKGS	 := fuse3 libcurl openssl libxml-2.0 sqlite3 jansson
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wvla -Wformat=2 -Wundef \
	$(if $(CI)$(WERROR),-Werror)

FLAVOUR	?=
B	:= build$(FLAVOUR:%=/%)
O	:= $(B)/obj
SAN-asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SAN-tsan := -fsanitize=thread
SAN-fuzz := $(SAN-asan) -fsanitize=fuzzer-no-link
SAN-kill := -DPAILFS_KILL_POINTS
SAN	:= $(if $(FLAVOUR),$(or $(SAN-$(FLAVOUR)),$(error FLAVOUR: asan, \
	tsan or kill)) -fno-omit-frame-pointer)
HARDEN	?= $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) \
	-fstack-protector-strong

# Asked once, and only when something is compiled: setup runs without.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(call pkg,--cflags))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(call pkg,--libs))$(PKG_LIBS)
pkg = $(or $(shell pkg-config $(1) $(PKGS)),$(error libraries are missing: \
	run "make setup"))

# 314 is FUSE_MAKE_VERSION(3, 14), which #if in a header cannot take from -D.
OWN_CFLAGS = -std=gnu11 $(WARNINGS) $(SAN) $(HARDEN) -fPIE -pthread -I. \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	-DPAILFS_VERSION='"$(VERSION)"' $(PKG_CFLAGS:-I%=-isystem %)
COMPILE	= $(CC) $(OWN_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK	= $(CC) $(SAN) $(CFLAGS) -pie -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
Q	:= $(if $(V),,@)
say	= $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

obj	= $(patsubst %.c,$(O)/%.o,$(1))
lib	= $(B)/lib$(notdir $(1)).a
MAINS	:= $(wildcard fs/main.c fs/pailctl.c)
PROGS	:= $(patsubst fs/%.c,$(B)/%,$(MAINS:main.c=pailfs.c))
LIBS	:= $(foreach l,$(LAYERS),$(call lib,$(l)))
SRCS	:= $(wildcard $(LAYERS:%=%/*.c))
HDRS	:= $(wildcard $(LAYERS:%=%/*.h) tests/unit/*.h)
UNITS_C	:= $(wildcard tests/unit/*.c)
UNITS	:= $(UNITS_C:tests/%.c=$(B)/%)
PAGES	:= $(wildcard man/*.1 man/*.7)
page_to	= $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

all: $(LIBS) $(PROGS)

$(B)/pailfs: $(O)/fs/main.o
$(B)/pailctl: $(O)/fs/pailctl.o
$(B)/pailfs $(B)/pailctl: $(LIBS)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBS) $(PKG_LIBS)

$(B)/unit/%: $(O)/tests/unit/%.o $(LIBS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $< $(LIBS) $(PKG_LIBS) -lcmocka
$(B)/unit/cache_sender: private LDFLAGS += -Wl,--wrap=parts_leave

# A static library for each layer; the two programs' main stand outside.
$(foreach l,$(LAYERS),$(eval $(call lib,$(l)): \
	$(call obj,$(filter-out $(MAINS),$(wildcard $(l)/*.c)))))
$(LIBS): $(O)/sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(O)/%.o: %.c $(O)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# A stamp changes when what it holds does: other flags, a file more or less.
stamp = mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(O)/flags: FORCE
	@$(call stamp,$(COMPILE) $(LINK))
$(O)/sources: FORCE
	@$(call stamp,$(SRCS))
-include $(patsubst %.o,%.d,$(call obj,$(SRCS) $(UNITS_C)))
include tests/fault/rules.mk tests/fuzz/rules.mk

hdr-check: $(HDRS:%=hdr-check/%)
hdr-check/%: FORCE
	$(Q)echo '#include "$*"' | $(COMPILE) -fsyntax-only -xc -

lint lint-deep: all
	$(Q)MAKE='$(MAKE)' B=$(B) tests/lint/run.sh $@

unit tests: all $(UNITS) $(FAULTS)
	$(Q)tests/tools/run-tests.sh '$(FLAVOUR)' $@ $(TESTS)

# The steps below are makes of their own: one installs what the next needs.
SUB = $(MAKE) --no-print-directory WERROR=1 \
	$(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

setup: ; $(Q)tests/tools/setup.sh check
check: setup
	$(Q)$(SUB) lint fuzz
	$(Q)$(SUB) all FLAVOUR=kill
	$(Q)$(SUB) tests
check-long: setup
	$(Q)$(SUB) fuzz FUZZ=long
	$(Q)$(SUB) all FLAVOUR=kill
	$(Q)$(SUB) tests TESTS='--long $(TESTS)'
# What the sanitizers look for does not depend on the server.
check-asan check-tsan: check-%: setup
	$(Q)$(SUB) tests FLAVOUR=$* TESTS='--once $(TESTS)'
demo bench:
	$(Q)tests/tools/setup.sh $@
	$(Q)$(SUB) all WERROR=
	$(Q)tests/$@/$@.sh
format: ; $(Q)clang-format-14 -i $(SRCS) $(HDRS) $(UNITS_C) tests/f*/*.[ch]

install: all
	$(Q)install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR)
	$(Q)install $(PROGS) $(DESTDIR)$(BINDIR)
	$(Q)$(foreach h,$(HELPERS),ln -sfn $(BINDIR)/pailfs $(DESTDIR)$(h);)
	$(Q)$(foreach p,$(PAGES),install -Dm644 $(p) -t $(call page_to,$(p));)

uninstall:
	rm -f $(PROGS:$(B)/%=$(DESTDIR)$(BINDIR)/%) $(HELPERS:%=$(DESTDIR)%) \
		$(foreach p,$(PAGES),$(call page_to,$(p))/$(notdir $(p)))

clean: ; rm -rf $(filter-out build/venv,$(wildcard build/*))
FORCE:
.PHONY: all hdr-check lint lint-deep unit tests setup check check-long \
	check-asan check-tsan demo bench format install uninstall clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:
