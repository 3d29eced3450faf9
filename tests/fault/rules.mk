# SPDX-License-Identifier: Apache-2.0
#
# The programs of tests/fault, in which allocations fail: what takes memory of
# libc goes through alloc.h.
FAULTS_C := $(wildcard tests/fault/*.c)
FAULTS	 := $(FAULTS_C:tests/%.c=$(B)/%)
WRAP	 := malloc calloc realloc reallocarray strdup strndup asprintf \
	vasprintf realpath fopen

$(B)/fault/%: $(O)/tests/fault/%.o $(LIBS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) $(WRAP:%=-Wl,--wrap=%) -o $@ $< $(LIBS) $(PKG_LIBS) -lcmocka

-include $(FAULTS_C:%.c=$(O)/%.d)
