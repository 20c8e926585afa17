"""make bench: what hotcertd takes, as ratios against bare programs and against what people use instead.

bench.py [--quick] [--only ROWS]: the programs come from $HOTCERT_BUILD, step-ca from $HOTCERT_CA_DIR.
Whatever can't be measured ends it with an error; a goal that is not reached does not.
"""

import argparse
import functools
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import fleet  # noqa: E402
import footprint  # noqa: E402
import latency  # noqa: E402
import renewals  # noqa: E402
import scale  # noqa: E402
from lib import hotcertd, pki  # noqa: E402
from report import show  # noqa: E402
from step_ca import StepCA  # noqa: E402

ROWS = {"apply": latency.to_apply, "served": latency.to_served, "fleet": fleet.reload, "memory": footprint.memory,
        "start": scale.start, "storm": scale.storm, "idle": footprint.idle,
        "renewals": renewals.measure}


class Bench:
    """What the rows share: a folder, plugins, certificates, a step-ca."""

    def __init__(self, folder, quick):
        self.folder = folder
        self.pairs = folder / "pairs"  # see scale.make_directories()
        self.quick = quick
        self.rounds = 40 if quick else 400
        self.plugin_dir = hotcertd.copy_plugins(folder / "plugins", hotcertd.plugin_files())
        self.ca = pki.CA()

    @functools.cached_property
    def step_ca(self):
        return StepCA(self.folder / "step-ca", lifetime="24h").start()

    def same_key(self, n):
        return self.variants(0, n)

    @functools.lru_cache(maxsize=None)
    def variants(self, i, n):
        """n pairs, all with the i-th key."""
        key = self.new_keys(i + 1)[i].key
        return [self.ca.issue(key=key) for _ in range(n)]

    def new_keys(self, n):
        while len(self._keys) < n:
            self._keys.append(self.ca.issue())
        return self._keys[:n]

    @functools.cached_property
    def _keys(self):
        return []

    def finish(self):
        if "step_ca" in self.__dict__:
            self.step_ca.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, fewer watches: a look, not a figure")
    parser.add_argument("--only", help="of " + ",".join(ROWS))
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(ROWS)
    if not set(names) <= set(ROWS):
        parser.error(f"--only takes some of {','.join(ROWS)}")
    # Not in /tmp: what others do there wakes the daemon up, which watches all directories on the way.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hotcert-bench.", dir="/var/tmp"))
    bench = Bench(folder, args.quick)
    rows = []
    try:
        for name in names:
            print(f"bench: {name}", file=sys.stderr)
            rows += ROWS[name](bench)
    except BaseException:
        print(f"bench: what there is to see lies in {folder}", file=sys.stderr)
        raise
    finally:
        bench.finish()
    shutil.rmtree(folder)
    show(rows)


if __name__ == "__main__":
    main()
