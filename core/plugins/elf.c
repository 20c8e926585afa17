#include "plugins/elf.h"

#include "base/mem.h"

#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

static bool read_at(int fd, void *data, size_t len, off_t at)
{
	return pread(fd, data, len, at) == (ssize_t)len;
}

/* Of this machine's word size, the only one that dlopen(3) takes. */
static bool is_elf(const ElfW(Ehdr) * header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
	       header->e_phentsize == sizeof(ElfW(Phdr));
}

bool elf_is_whole(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) header;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !read_at(fd, &header, sizeof(header), 0) ||
	    !is_elf(&header))
		return true;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		off_t at = (off_t)header.e_phoff + (off_t)(i * sizeof(ElfW(Phdr)));
		ElfW(Phdr) segment;

		if (!read_at(fd, &segment, sizeof(segment), at) ||
		    segment.p_offset > (uint64_t)st.st_size ||
		    segment.p_filesz > (uint64_t)st.st_size - segment.p_offset)
			return false;
	}
	return true;
}
