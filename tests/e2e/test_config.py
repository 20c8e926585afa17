"""Bad configuration: all errors at once, each with file, line, section and key; nothing starts or changes."""

import os
import random
import subprocess

import pytest

GOOD = """\
[watch redis]
directory = {tls}
cert = redis.crt
key = redis.key
[probe redis]
record = {record}
"""


@pytest.fixture
def daemon(hotcertd, ca, tls, probe):
    ca.issue().write(tls)
    hotcertd.conf("10-good", GOOD.format(tls=tls, record=probe.path))
    return hotcertd


def refused(daemon, *patterns):
    """`hotcertd -t` and a start both end with 1 and say these words, each set in one line."""
    code, out = daemon.check()
    assert code == 1, f"{code}: {out}"
    for words in patterns:
        assert any(all(w in line for w in words) for line in out.splitlines()), f"{words} not in:\n{out}"
    code, again = daemon.run()
    assert code == 1, again
    assert not daemon.socket.exists()
    return out


def test_good_configuration(daemon):
    code, out = daemon.check()
    assert code == 0, out


ONE_LINE = {
    # what follows in 50-bad.conf: (line, section, key or word, what else the message says)
    "unknown-section": ("[hotcret]\nrescan = 5m\n", 1, "hotcret", "hotcert"),
    "unknown-daemon-key": ("[hotcert]\nrescn = 5m\n", 2, "[hotcert] rescn", "rescan"),
    "unknown-watch-key": ("[watch redis]\ndirectry = /x\n", 2, "[watch redis] directry", "directory"),
    "unknown-plugin-key": ("[probe redis]\nrecrd = /x\n", 2, "[probe redis] recrd", "record"),
    "bad-duration": ("[hotcert]\nrescan = often\n", 2, "[hotcert] rescan", "often"),
    "bad-log-level": ("[hotcert]\nlog_level = loud\n", 2, "[hotcert] log_level", "notice"),
    "bad-plugin-duration": ("[probe redis]\ndelay = 5 parsecs\n", 2, "[probe redis] delay", "500ms"),
    "bad-integer": ("[probe redis]\nnumber = many\n", 2, "[probe redis] number", "many"),
    "too-large-integer": ("[probe redis]\nnumber = 99999999999999999999\n", 2, "[probe redis] number", "9999"),
    "bad-bool": ("[probe redis]\nflag = perhaps\n", 2, "[probe redis] flag", "yes"),
    "bad-percentage": ("[probe redis]\npart = half\n", 2, "[probe redis] part", "half"),
    "bad-choice": ("[probe redis]\nbehave = wildly\n", 2, "[probe redis] behave", "percent"),
    "relative-path": ("[probe redis]\nrecord = relative/path\n", 2, "[probe redis] record", "relative/path"),
    "missing-secret": ("[probe redis]\npassword_file = /nowhere/x\n", 2, "[probe redis] password_file", "/nowhere/x"),
    "missing-watch": ("[probe cache]\nrecord = /x\n", 1, "[probe cache]", "watch"),
    "watch-without-directory": ("[watch other]\ncert = a\n", 1, "[watch other]", "directory"),
    "relative-directory": ("[watch other]\ndirectory = a/b\n", 2, "[watch other] directory", "a/b"),
    "roles-and-match": ("[watch redis]\nmatch = *.crt\n", 2, "[watch redis] match", "cert"),
    "bad-percent-sign": ("[probe redis]\ntext = 100%z\n", 2, "[probe redis] text", "%"),
    "key-outside": ("rescan = 5m\n", 1, "rescan", "section"),
    "no-equals": ("[hotcert]\nrescan\n", 2, "", "="),
    "no-bracket": ("[hotcert\nrescan = 5m\n", 1, "", "]"),
}


@pytest.mark.parametrize("case", ONE_LINE)
def test_one_error(daemon, case):
    text, line, where, what = ONE_LINE[case]
    path = daemon.conf("50-bad", text)
    refused(daemon, (f"{path}:{line}:", where, what))


def test_missing_required_key(daemon):
    path = daemon.conf("50-bad", "\n[redis redis]\nusername = x\n")
    refused(daemon, (f"{path}:2:", "[redis redis]", "address"))


def test_what_create_does_not_like_is_told_like_the_rest(daemon):
    path = daemon.conf("50-bad", "[probe redis]\ncreate = invalid\nnumber = 7\n")
    code, out = daemon.check()
    assert code == 1, out
    assert f"{path}:2: [probe redis] create: does not like invalid" in out, out
    assert f"{path}:3: [probe redis] number: does not like 7" in out, out


def test_all_errors_at_once(daemon):
    first = daemon.conf("50-bad", "[hotcert]\nrescn = 5m\nrescan = often\n[probe redis]\nnumber = x\n")
    second = daemon.conf("60-bad", "[watch w]\ncert = a\n[probe redis]\nrecrd = /x\ncreate = invalid\n")
    refused(daemon, (f"{first}:2:", "rescn"), (f"{first}:3:", "often"), (f"{first}:5:", "number"),
            (f"{second}:1:", "directory"), (f"{second}:4:", "recrd"))


def test_a_section_twice_in_one_file_is_a_duplicate(daemon):
    path = daemon.conf("50-bad", "[probe b]\nwatch = redis\n\n[probe b]\nwatch = redis\n")
    refused(daemon, (f"{path}:4:", "[probe b]"))


def test_a_later_file_overrides_a_key(daemon):
    daemon.conf("50-later", "[probe redis]\ntext = second\n")
    daemon.conf("40-later", "[probe redis]\ntext = first\n")
    daemon.start()
    assert "second" in str(daemon.instance("probe:redis"))


@pytest.mark.parametrize("length", [180, 300, 1000, 5000])
def test_a_long_line_works_or_is_an_error_and_is_never_split(daemon, length):
    value = "x" * (length - 7)
    path = daemon.conf("50-long", f"[probe redis]\ntext = {value}\nnumber = 2\n")
    code, out = daemon.check()
    if code == 0:
        daemon.start()
        assert value in str(daemon.instance("probe:redis"))
    else:
        assert length > 190 and f"{path}:2:" in out and str(length) in out, out


def test_a_long_list_on_continuation_lines(daemon):
    words = [f"word{i:03}" for i in range(200)]
    daemon.conf("50-list", "[probe redis]\nwords = first,\n" + "".join(f"    {w}\n" for w in words))
    code, out = daemon.check()
    assert code == 0, out


@pytest.mark.parametrize("content, words", [
    (b"[probe redis]\ntext = a\0b\n", (":2:", "NUL")),
    (b"[probe redis]\ntext = \xff\xfe\n", (":2:", "UTF-8")),
    (b"x" * (10 << 20), ("50-bad.conf",)),
    (b"[probe redis]\ntext = x\n" * 500000, ("50-bad.conf",)),
    (random.Random(7).randbytes(4096), ("50-bad.conf",)),
], ids=["nul", "latin", "10MB-line", "10MB-lines", "noise"])
def test_binary_rubbish(daemon, content, words):
    (daemon.conf_dir / "50-bad.conf").write_bytes(content)
    out = refused(daemon, words)
    assert len(out) < 100000


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbf[probe redis]\ntext = marked\n", b"[probe redis]\r\ntext = marked\r\n", b"[probe redis]\ntext = marked",
], ids=["BOM", "CRLF", "no-newline-at-end"])
def test_what_editors_leave_behind_is_read(daemon, content):
    (daemon.conf_dir / "50-editor.conf").write_bytes(content)
    daemon.start()
    assert "'marked'" in str(daemon.instance("probe:redis"))


def test_a_drop_in_that_is_a_directory(daemon):
    (daemon.conf_dir / "50-bad.conf").mkdir()
    refused(daemon, ("50-bad.conf", "regular file"))


def test_a_drop_in_that_is_a_fifo(daemon):
    os.mkfifo(daemon.conf_dir / "50-bad.conf")
    refused(daemon, ("50-bad.conf", "regular file"))


def test_a_drop_in_that_cannot_be_read(daemon):
    daemon.wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search",
                      "--inh-caps=-dac_override,-dac_read_search"]
    path = daemon.conf("50-bad", "[hotcert]\n")
    path.chmod(0)
    refused(daemon, ("50-bad.conf", "ermission denied"))


def test_a_drop_in_that_dangles(daemon):
    os.symlink("/nowhere", daemon.conf_dir / "50-bad.conf")
    refused(daemon, ("50-bad.conf", "No such file"))


def test_what_is_no_drop_in_is_passed_over(daemon):
    (daemon.conf_dir / "50-note.txt").write_text("[nonsense")
    (daemon.conf_dir / ".50-hidden.conf").write_text("[nonsense")
    os.symlink("/dev/null", daemon.conf_dir / "60-masked.conf")
    code, out = daemon.check()
    assert code == 0, out


def test_a_missing_configuration_directory(hotcertd):
    hotcertd.conf_dir.rmdir()
    code, out = hotcertd.check()
    assert code == 1 and str(hotcertd.conf_dir) in out, out


@pytest.mark.parametrize("argv", [["--nonsense"], ["-C"], ["surplus"]])
def test_usage(daemon, argv):
    code, out = daemon.run(*argv)
    assert code == 2 and "hotcertd" in out, f"{code}: {out}"


def test_options_reference(daemon):
    code, out = daemon.run("--options", "probe")
    assert code == 0, out
    for word in "record", "behave", "50ms", "password_file", "For timer, alarm, late":
        assert word in out


def test_options_of_an_unknown_plugin(daemon):
    code, out = daemon.run("--options", "nothing")
    assert code == 1 and "nothing.so" in out, out


@pytest.mark.parametrize("flag", ["-h", "-V"])
def test_help_and_version(daemon, flag):
    code, out = daemon.run(flag)
    assert code == 0 and "hotcert" in out


def test_two_daemons_do_not_share_a_runtime_directory(daemon):
    daemon.start()
    code, out = daemon.run()
    assert code == 1 and "another hotcertd" in out and str(daemon.runtime_dir) in out, out
    assert daemon.ctl("version")[0] == 0


@pytest.mark.parametrize("which", ["-S", "-R"])
def test_a_directory_that_cannot_be_made(daemon, tmp_path, which):
    (tmp_path / "file").write_text("")
    code, out = daemon.run(which, tmp_path / "file" / "below")
    assert code == 1 and str(tmp_path / "file" / "below") in out, out


def logged(daemon, stream_of):
    """What it writes to a pipe, where $JOURNAL_STREAM names stream_of(pipe): systemd.exec(5)."""
    reader, writer = os.pipe()
    stat = os.stat(stream_of(writer))
    with open(reader, encoding="utf-8") as pipe:
        done = subprocess.run([str(a) for a in daemon.argv()], stderr=writer, check=False,
                              env={**os.environ, "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
        os.close(writer)
        assert done.returncode == 1
        return pipe.read()


def test_the_log_is_for_the_journal_or_for_a_terminal(daemon):
    daemon.conf("50-bad", "[nonsense]\n")
    assert logged(daemon, lambda pipe: pipe).startswith("<3>")
    assert logged(daemon, lambda pipe: "/").startswith("20")
