/*
 * floor_start DIRECTORY N - reads, parses and checks the pairs in DIRECTORY/0 to DIRECTORY/N-1
 */
#include "pair.h"

int main(int argc, char **argv)
{
	char directory[PATH_MAX];

	if (argc != 3)
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++) {
		snprintf(directory, sizeof(directory), "%s/%d", argv[1], i);
		if (!pair_is_whole(directory)) {
			fprintf(stderr, "%s: not a pair\n", directory);
			return 1;
		}
	}
	return 0;
}
