# SPDX-License-Identifier: BSD-2-Clause
"""What is written about the program is what the program is: manual page, --help, completion, README, docs/api.md."""

import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.command import COMMAND, run, tcpdrop
from support.holder import Holder, fresh_ports

from tcpdrop import _tcpdrop, cli
from tcpdrop.cli import exit_status, fields, help, options
from tcpdrop.engine.outcome import fate
from tcpdrop.errors import OUTCOMES
from tcpdrop.filters import Filter
from tcpdrop.filters.sockets import STATE_GROUPS, spelled
from tcpdrop.filters.vocabulary import COMPARED, WORDS
from tcpdrop.model.connection import JSON_KEYS
from tcpdrop.model.order import ORDERS
from tcpdrop.model.rows import STATE_NAMES
from tcpdrop.safety import rules

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs" / "tcpdrop.8").read_text(encoding="utf-8")
COMPLETION = ROOT / "docs" / "completion" / "tcpdrop.bash"
EXAMPLE = ROOT / "docs" / "tcpdrop.conf.example"
README = (ROOT / "README.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

#: of the filter language
ROWS = list(dict.fromkeys(WORDS.values()))

linux = pytest.mark.only_on("linux", reason="the page's examples are of Linux")


def section(title):
    """The lines of one .Sh of the manual page."""
    return MANUAL.partition(f"\n.Sh {title}\n")[2].partition("\n.Sh ")[0].splitlines()


def entries(title, macro):
    """The words of `macro` in the .It lines of a section: one list for each line."""
    return [line[4:].split() for line in section(title) if line.startswith(f".It {macro} ")]


# ---- the manual page


def test_mandoc_finds_nothing():
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc here")
    done = run("mandoc", "-T", "lint", "-W", "warning", ROOT / "docs" / "tcpdrop.8")
    assert (done.status, done.out) == (0, "")


def test_the_manual_has_every_option_once():
    found = []
    for words in entries("OPTIONS", "Fl"):
        found += ["-" + words[i + 1] for i, word in enumerate(words) if word == "Fl"]
    assert sorted(found) == sorted(options.SPELLINGS)


def test_the_manual_says_which_forms_take_an_option():
    """The letters at the end of an entry: C classic, L list, D drop."""
    letters = {"classic": "C", "list": "L", "drop": "D"}
    text = "\n".join(section("OPTIONS"))
    for dest, (_, spellings) in options.OPTIONS.items():
        if dest in ("help", "version", "ansible", "salt", "man", "completion"):
            continue
        entry = re.search(rf"^\.It (?:.* , )?Fl {re.escape(spellings[-1][1:])}(?= |$)(.*?)(?=^\.(?:It|El))", text, re.M | re.S)
        said = re.findall(r"(?:^|\. )(C?L?D?)(?:,\n\.Cm check\nand\n\.Cm paths )?\.?$", entry[1].strip(), re.M)
        assert said, (dest, entry[1])
        expected = "".join(letter for form, letter in letters.items() if dest in options.ALLOWED[form])
        assert said[-1] == expected, (dest, said)


def test_the_manual_says_which_options_top_takes():
    said = "\n".join(section("TOP")).partition("\nIt takes\n")[2].partition("\nColours")[0]
    words = " ".join(line[4:] for line in said.splitlines() if line.startswith(".Fl ")).replace(",", " ").split()
    named = {f"-{word}" for word in words if word != "."}
    expected = options.ALLOWED["top"] - options.SELECTORS - {"help", "version"}
    assert {options.SPELLINGS[name] for name in named} == expected


def test_the_manual_has_every_key_of_top():
    pytest.importorskip("curses", reason="a Python without curses has no top")
    from tcpdrop.cli.top.app import App
    from tcpdrop.cli.top.screen import HELP
    from tcpdrop.cli.top.view import View

    known = {
        key
        for key in App(View(None), None, None, interval=1, search=None)._moves
        if isinstance(key, str) and key.isprintable() and key != " "
    }
    said = " ".join(line[4:] for line in section("TOP") if line.startswith(".It ")).replace(r"\&", "")
    for key in known | {"q"}:
        assert key in said.split() or (key.isdigit() and "1 No to Cm 9" in said), key
        assert key in HELP or key.isdigit() or key in "jk?", key


def test_the_manual_has_every_word_of_the_filter_language():
    found = []
    for words in entries("FILTERS", "Cm"):
        for word in words[1:]:
            if not re.fullmatch(r"[a-z][a-z-]*|\|", word) or word in ("inet", "inet6"):
                break
            found += [word] if word != "|" else []
    assert sorted(found) == sorted(WORDS)


def test_the_manual_gives_the_aliases_where_it_gives_the_word():
    heads = [" ".join(words[1:]) for words in entries("FILTERS", "Cm")]
    for word in ROWS:
        for alias in word.aliases:
            assert any(f"{head} ".startswith(f"{word.name} | {alias} ") for head in heads), alias


def test_the_manual_says_what_other_systems_cannot_answer():
    said = "\n".join(section("FILTERS")).partition("\nOn Solaris and illumos\n")[2].partition("\ncannot be answered")[0]
    words = [word for word in said.replace(".Cm ", "").split() if word not in (",", "and")]
    assert words and set(words) == {word.name for word in ROWS if "sunos" not in word.systems}


def test_the_manual_has_every_state():
    text = " ".join(section("FILTERS"))
    for number in range(1, len(STATE_NAMES)):
        assert re.search(rf"\b{spelled(number)}\b", text)
    for group in STATE_GROUPS:
        assert re.search(rf"\b{group}\b", text)
    for name in re.findall(r"^\.Li ([A-Za-z][A-Za-z0-9_-]{4,})", "\n".join(section("FILTERS")), re.M):
        Filter.states(name)


def test_the_exit_statuses_are_those_of_the_program():
    numbers = {value for name, value in vars(exit_status).items() if name.isupper() and isinstance(value, int)}
    said = [int(line[4:]) for line in section("EXIT STATUS") if re.fullmatch(r"\.It \d+", line)]
    assert len(said) == len(numbers)
    assert set(said) == numbers
    shown = help.HELP.partition("exit status:\n")[2].partition("\n\n")[0]
    assert {int(number) for number in re.findall(r"(?:^|\s)(\d)  \w", shown)} == numbers


def test_the_keys_of_json_are_those_of_the_program():
    found = []
    for words in entries("JSON", "Cm"):
        found += [word for word in words[1:] if word != ","]
    assert found == [*JSON_KEYS, *fate("listed")]
    said = " ".join(section("JSON")).partition(".It Cm outcome ")[2].partition(" .It")[0]
    assert {word for word in re.findall(r"[a-z_]+", said) if word != "or"} == set(OUTCOMES)


def test_the_values_of_options():
    text = "\n".join(section("OPTIONS"))
    assert f".It Fl -order Cm {' | '.join(ORDERS)}\n" in text
    assert f".It Fl -summary-by Cm {' | '.join(fields.SUMMARIES)}\n" in text


def commands(text):
    """The tcpdrop commands shown behind a prompt, as words."""
    plain = text.replace(r"\(dq", '"').replace(r"\(aq", "'").replace(r"\e", "\\")
    found = [match[1] for match in re.finditer(r"^(?:\.Dl |    |\t)?[#$] (?:sudo )?(tcpdrop .*)$", plain, re.M)]
    return [shlex.split(re.split(r" [|>] ", command)[0])[1:] for command in found]


def _offline(words):
    """The same command as a question that touches nothing, for loopback's namespace."""
    parsed = options.parse(words)
    form = words[0] if words[0] in cli.VERBS else "classic" if len(parsed.operands) in (2, 4) else "drop"
    options.check_allowed(parsed, form)
    return form, parsed


@linux
@pytest.mark.parametrize("words", commands("\n".join(section("EXAMPLES"))), ids=" ".join)
def test_an_example_of_the_manual_is_understood(words):
    """Every option goes with its form, and every filter is one."""
    form, parsed = _offline(words)
    if form in ("list", "drop"):
        from tcpdrop.cli.selectors import filter_of, seconds

        parsed.operands = parsed.operands[1:] if parsed.operands and parsed.operands[0] == form else parsed.operands
        if parsed.texts("remote_addr") == ["$ip"]:
            parsed.given["remote_addr"] = ["203.0.113.7"]
        assert filter_of(parsed, parsed.operands) is not None or parsed.text("from")
        for text in parsed.texts("protect") or []:
            Filter(text)
        seconds(parsed, "duration", "--for")
        seconds(parsed, "interval", "--interval")
    else:
        from tcpdrop.model.four_tuple import operands

        operands(parsed.operands)


def test_the_examples_begin_with_a_dry_run():
    assert "-n" in commands("\n".join(section("EXAMPLES")))[0]


@pytest.mark.parametrize("where", ["the manual", "the example file"])
@linux
def test_the_examples_of_the_configuration_are_rules(where, tmp_path, monkeypatch):
    if where == "the manual":
        text = "\n".join(section("PROTECTION")).partition(".Bd -literal -offset indent\n")[2].partition(".Ed")[0]
    else:
        text = re.sub(r"^#(?=protect )", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.M)
    file = tmp_path / "tcpdrop.conf"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    monkeypatch.setattr(rules, "PATH", str(file))
    monkeypatch.setattr(rules, "_distrust", lambda status, directory: "")
    found = rules.rules()
    assert len(found) >= 7
    for port in ("2049", "3260", "7788", "2379", "6443"):
        assert any(port in str(rule) for rule in found)


def test_the_example_file_as_it_is_protects_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "PATH", str(EXAMPLE))
    monkeypatch.setattr(rules, "_distrust", lambda status, directory: "")
    assert rules.rules() == []


# ---- --help


def test_help_has_every_option_and_fits():
    named = set(re.findall(r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", help.HELP))
    assert named == set(options.SPELLINGS)
    assert max(map(len, help.HELP.splitlines())) <= 80
    for verb in cli.VERBS:
        assert re.search(rf"^       tcpdrop {verb}\b", help.USAGE, re.M)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_help_of_a_verb_is_one_screen_with_all_its_options_and_examples(verb):
    text = help.VERB_HELP[verb]
    assert len(text.splitlines()) < 24
    assert max(map(len, text.splitlines())) <= 80
    named = set(re.findall(r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", text))
    assert named - {"--help"} <= {spelling for dest in options.ALLOWED[verb] for spelling in options.OPTIONS[dest][1]}
    assert all(named & set(options.OPTIONS[dest][1]) for dest in options.ALLOWED[verb])
    examples = re.findall(r"^ tcpdrop (.*?)(?:  .*)?$", text, re.M)
    for example in examples:
        assert _offline(shlex.split(example))[0] == verb
    assert examples or verb == "paths"
    for asked in (["help", verb], [verb, "--help"], ["-h", verb]):
        assert tcpdrop(*asked) == (0, text + "\n", "")
    assert tcpdrop("help").out == help.HELP + "\n"


def test_help_has_every_word_of_the_filter_language_but_no_alias():
    """ss's names (src, dst, sport, dport) stand in the manual page only."""
    shown = help.HELP.partition("a filter:")[2].partition("\n\n")[0]
    assert set(WORDS) & set(re.findall(r"[a-z-]+", shown)) == {word.name for word in ROWS}


# ---- the completion file


def completed(*words):
    """What bash offers for the last word."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    script = f"""
        . {shlex.quote(str(COMPLETION))}
        COMP_LINE={shlex.quote(" ".join(("tcpdrop", *words)))}; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=(tcpdrop)
        _tcpdrop; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = run("bash", "--norc", "-c", script)
    assert done.status == 0, done.err
    return set(done.out.split())


def spellings(form):
    return {spelling for dest in options.ALLOWED[form] for spelling in options.OPTIONS[dest][1]}


@pytest.mark.parametrize("form", cli.VERBS)
def test_completion_offers_the_options_of_a_verb(form):
    assert completed(form, "-") == spellings(form)


def test_completion_offers_the_options_without_a_verb():
    """The classic form's, and those of FreeBSD."""
    assert completed("-") == spellings("classic") | {"-l", "-a", "-s"}
    assert completed("") & set(cli.VERBS) == set(cli.VERBS)


def test_completion_knows_the_states_and_the_predicates():
    states = {spelled(number) for number in range(1, len(STATE_NAMES))} | set(STATE_GROUPS)
    for words in (["-s", ""], ["list", "--state", ""], ["list", "--state="], ["drop", "state", ""], ["drop", "exclude", ""]):
        assert completed(*words) == states
    assert completed("list", "") == {*WORDS, "and", "or", "not"}
    assert completed("list", "--order", "") == set(ORDERS)
    assert completed("list", "--summary-by", "") == set(fields.SUMMARIES)
    assert "all" in completed("drop", "--netns", "")


# ---- README


def test_the_commands_of_the_readme_exist():
    block = README.partition("## Use it\n")[2].partition("\n## ")[0]
    lines = [line[4:] for line in block.splitlines() if line.startswith("    tcpdrop ")]
    assert lines
    verbs = set()
    for line in lines:
        words = shlex.split(re.split(r"\s{2,}", line.replace(" ...", ""))[0])[1:]
        verbs |= {words[0]} & set(cli.VERBS)
        _offline(words)
    assert verbs == set(cli.VERBS)
    for option in set(re.findall(r"(?<![\w-])--[a-z][\w-]*", block)):
        assert option in options.SPELLINGS
    assert "docs/api.md" in README


def test_the_exit_statuses_of_the_readme():
    said = README.partition("The exit status says what happened:")[2].partition("\n\n")[0]
    assert [int(number) for number in re.findall(r"(?:^|, )\s*(\d) ", said.replace("\n", " "))] == [0, 1, 2, 3, 4]


def test_links_lead_somewhere():
    for page in [*sorted(ROOT.glob("*.md")), ROOT / "contrib" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_a_form_for_a_bug_asks_for_what_check_says():
    """And what is secret has a way of its own."""
    yaml = pytest.importorskip("yaml")
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    asked = {}
    for form in forms:
        body = yaml.safe_load(form.read_text(encoding="utf-8")).get("body", [])
        asked[form.stem] = {part["attributes"].get("label"): part.get("validations", {}).get("required") for part in body}
    assert asked["bug"]["tcpdrop check --json"] is True and asked["idea"]["tcpdrop check --json"] is True
    assert "SECURITY.md" in forms[0].read_text(encoding="utf-8")
    assert "tcpdrop check --json" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_only_documentation_addresses():
    """RFC 5737 and 3849, loopback, and private ones where a page quotes history."""
    for name in ("tcpdrop.8", "tcpdrop.conf.example", "api.md", "equivalents.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text):
            assert address.startswith(("192.0.2.", "198.51.100.", "203.0.113.", "127.", "0.0.0.0")), f"{name}: {address}"


# ---- docs/api.md


def blocks():
    """Each python block of docs/api.md with the heading it stands under."""
    heading, found = "", []
    for match in re.finditer(r"^## ([^\n]+)$|^```python\n(.*?)^```$", API, re.M | re.S):
        if match[1]:
            heading = match[1]
        else:
            found.append(pytest.param(match[2], id=f"{heading} {len(found)}"))
    return found


@pytest.fixture
def scene():
    """The server's ends of three connections to one port, and a process that holds them."""
    with Holder() as holder:
        port = fresh_ports()["port"]
        pairs = [holder.pair(port=port, victim="server") for _ in range(3)]
        holder.listener(port=port)
        yield pairs


@pytest.mark.privileged
@linux
@pytest.mark.parametrize("code", blocks())
def test_an_example_of_the_api_page_runs(code, scene):
    """Addresses of the documentation are replaced by those of a connection on loopback."""
    pair = scene[0]
    for said, meant in (
        ("192.0.2.10", pair.local[0]),
        ("203.0.113.7", pair.remote[0]),
        ("203.0.113.0/24", "127.0.0.0/8"),
        ("443", str(pair.local[1])),
        ("33062", str(pair.remote[1])),
        ("4711", str(pair.pid)),
    ):
        code = re.sub(rf"\b{re.escape(said)}\b", meant, code)
    child = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, cwd="/")
    assert child.returncode == 0, f"{code}\n{child.stdout}{child.stderr}"


def test_the_api_page_names_everything_public():
    import tcpdrop as package

    for name in package.__all__:
        assert name in API, name
    for name in re.findall(r"\btcpdrop\.([A-Za-z_]+)", API):
        assert name in (*package.__all__, "conf"), name


def test_the_api_page_names_every_constructor_of_a_filter():
    said = API.partition("\nThe static methods: ")[2].partition("\n\n")[0]
    names = set(re.findall(r"`([a-z_]+)`", said))
    assert names == {name for name, value in vars(Filter).items() if isinstance(value, staticmethod)}
    for word in ROWS:
        if word.keyword and word.takes != COMPARED:
            assert word.keyword.replace("_addr", "") in names, word.name
    measures = API.partition("\n`measure` also takes ")[2].partition(". ")[0]
    compared = {word.name for word in ROWS if word.takes == COMPARED}
    assert set(re.findall("`([a-z-]+)`", measures)) == compared - names


# ---- what is installed, and the source distribution


def test_the_pages_are_installed_beside_the_command():
    share = COMMAND.parent.parent / "share"
    if not (share / "man" / "man8" / "tcpdrop.8").exists() and COMMAND.parent.name != "bin":
        pytest.skip("installed somewhere else")
    for name, source in (
        ("man/man8/tcpdrop.8", "docs/tcpdrop.8"),
        ("bash-completion/completions/tcpdrop.bash", "docs/completion/tcpdrop.bash"),
        ("zsh/site-functions/_tcpdrop", "docs/completion/_tcpdrop"),
        ("fish/vendor_completions.d/tcpdrop.fish", "docs/completion/tcpdrop.fish"),
        ("doc/tcpdrop/tcpdrop.conf.example", "docs/tcpdrop.conf.example"),
    ):
        assert (share / name).read_bytes() == (ROOT / source).read_bytes(), f"{name}: make build"


BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def test_the_sdist_is_complete_and_builds(tmp_path):
    """A copy of the tree makes an sdist; that, unpacked, makes a wheel that imports."""
    try:
        import setuptools  # noqa: F401
    except ImportError:
        pytest.skip("no setuptools here")
    tree = tmp_path / "tree"
    left_out = shutil.ignore_patterns(".venv*", ".git", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "*.so")
    shutil.copytree(ROOT, tree, ignore=left_out)
    made = run(sys.executable, "-c", BUILD, "build_sdist", tmp_path, cwd=tree)
    assert made.status == 0, made.err
    archive = tmp_path / made.out.splitlines()[-1]
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        tar.extractall(tmp_path / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    listed = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard") if shutil.which("git") else None
    if listed is not None and listed.status == 0:
        assert set(listed.out.splitlines()) - names <= {".gitignore"}
    for name in ("try", "Makefile", "MANIFEST.in", ".ci/run", "docs/tcpdrop.8", "tests/conftest.py", "src/backend.h", "LICENSE"):
        assert name in names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here: the sdist was not built")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    made = run(sys.executable, "-c", BUILD, "build_wheel", wheels, cwd=unpacked, env={"TCPDROP_BACKEND": _tcpdrop.BACKEND}, timeout=300)
    assert made.status == 0, made.err
    made = run(sys.executable, "-m", "zipfile", "-e", wheels / made.out.splitlines()[-1], wheels)
    done = run(
        sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(wheels)!r}); import tcpdrop; print(tcpdrop.check().backend)"
    )
    assert done.out == f"{_tcpdrop.BACKEND}\n", done.err


def test_the_command_shows_its_manual_in_help():
    assert "tcpdrop(8)" in tcpdrop("--help").out
