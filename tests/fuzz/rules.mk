# SPDX-License-Identifier: Apache-2.0
#
# make fuzz         a short run of each target in tests/fuzz, with what is in
#                   tests/fuzz/corpus; FUZZ=long: 2 minutes each;
#                   FUZZ=grow: likewise, and the corpus takes what is new.
# All is built by clang under build/fuzz (FLAVOUR=fuzz).
FUZZ_C	 := $(wildcard tests/fuzz/*.c)
FUZZERS	 := $(FUZZ_C:tests/%.c=$(B)/%)
FUZZ	 ?= short

$(B)/fuzz/%: $(O)/tests/fuzz/%.o $(LIBS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $< $(LIBS) $(PKG_LIBS) -lcmocka

fuzzers: $(FUZZERS)
fuzz:
	$(Q)tests/fuzz/run.sh clang
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz CC=clang WERROR= \
		CFLAGS='-O1 -g -Wno-sign-conversion -Wno-unused-function' fuzzers
	$(Q)tests/fuzz/run.sh $(FUZZ)
.PHONY: fuzzers fuzz

-include $(FUZZ_C:%.c=$(O)/%.d)
