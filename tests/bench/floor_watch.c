/*
 * floor_watch DIRECTORY - says the time whenever the pair in it has changed and is whole
 */
#include "pair.h"

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2)
		return 2;
	fd = watch_directory(argv[1]);
	say_ready();
	for (;;) {
		wait_change(fd);
		if (pair_is_whole(argv[1]))
			say_now();
	}
}
