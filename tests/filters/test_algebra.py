# SPDX-License-Identifier: BSD-2-Clause
"""Laws of expressions: text and back, three-valued logic, its answers against an oracle, and the plan that never loses a row."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import diag_machine, oracle
from support import filter_cases as cases

from tcpdrop.errors import FilterError
from tcpdrop.filters import Filter, plan_for
from tcpdrop.filters.decision import by_columns
from tcpdrop.filters.explanation import parenthesised
from tcpdrop.filters.facts import UNKNOWN
from tcpdrop.filters.nodes import MAX_DEPTH, And, Node, Not, Or, both, either, negate
from tcpdrop.filters.parser import parse
from tcpdrop.model.rows import ALL_STATES, FAMILY, LISTEN, LPORT, ROW, RPORT, STATE, USUAL_STATES

pytestmark = pytest.mark.pure
ANY_SYSTEM = "any"
many = settings(max_examples=150, deadline=None)


@many
@given(cases.expressions)
def test_text_reads_back_as_the_same_expression(node):
    assert parse(str(node), ANY_SYSTEM) == node
    assert parse(parenthesised(node), ANY_SYSTEM) == node
    assert parse(str(node).split(" "), ANY_SYSTEM) == node
    assert str(node).isprintable()
    twin = pickle.loads(pickle.dumps(node))
    assert twin == node and hash(twin) == hash(node)


@many
@given(cases.expressions, cases.rows(), cases.infos, cases.facts())
def test_an_expression_answers_as_the_oracle_does(node, row, info, facts):
    answer = oracle.answer(node, row, info, facts)
    assert answer in (True, False, None)
    assert node.compiled()(row, info, facts) is answer
    assert negate(node).compiled()(row, info, facts) is (None if answer is None else not answer)


@many
@given(cases.expressions, cases.rows(), cases.infos, cases.facts())
def test_knowing_more_never_changes_a_decision(node, row, info, facts):
    early = node.compiled()(row, None, UNKNOWN)
    if early is not None:
        assert node.compiled()(row, info, facts) is early


@many
@given(cases.expressions, st.lists(cases.rows(), max_size=8))
def test_columns_select_the_rows_that_the_predicate_does(node, rows):
    found = by_columns(node, b"".join(ROW.pack(*row) for row in rows), len(rows))
    if found is not None:
        assert list(found) == [number for number, row in enumerate(rows) if oracle.answer(node, row, None, UNKNOWN) is True]


@pytest.mark.parametrize(
    "text", ["lport 22", "state established and lport 22 and remote 10.0.0.0/8", "not local 10.0.0.1", "rport 1-9 or rport 80"]
)
def test_one_end_and_the_state_are_decided_by_columns(text):
    assert by_columns(parse(text, ANY_SYSTEM), b"", 0) is not None


@pytest.mark.parametrize(
    "text", ["port 22", "host 10.0.0.1", "recvq > 1", "local 10.0.0.1:22", "lport 22 or rport 22", "pid 1", "in", "dev lo"]
)
def test_what_looks_at_more_is_decided_row_by_row(text):
    assert by_columns(parse(text, ANY_SYSTEM), b"", 0) is None


class Constant(Node):
    __slots__ = ()

    def compiled(self):
        return lambda row, info, facts: self.args[0]


@pytest.mark.parametrize("a", [True, False, None])
@pytest.mark.parametrize("b", [True, False, None])
def test_kleene(a, b):
    low = {False: 0, None: 1, True: 2}
    smaller, larger = sorted([a, b], key=low.get)
    for node, want in ((And(Constant(a), Constant(b)), smaller), (Or(Constant(a), Constant(b)), larger)):
        assert oracle.kleene(isinstance(node, And), [a, b]) is want
        assert node.compiled()(None, None, None) is want
    three = And(Constant(a), Constant(b), Constant(True))
    assert three.compiled()(None, None, None) is smaller
    assert Not(Constant(a)).compiled()(None, None, None) is (None if a is None else not a)


# ---- the plan


def kernel_returns(plan, row):
    """What a dump with this plan does with a row."""
    if not plan.states >> row[STATE] & 1:
        return False
    if plan.sport and plan.sport != row[LPORT]:
        return False
    if plan.dport and (plan.dport != row[RPORT] or row[STATE] == LISTEN):
        return False
    return diag_machine.accepts(plan.program, row)


def check_plan(node, row, facts, info=None):
    base = ALL_STATES
    chosen = Filter.__new__(Filter)
    object.__setattr__(chosen, "node", node)
    plan = plan_for(chosen, facts, base=base, backend="linux")
    diag_machine.audit(plan.program)
    answer = oracle.answer(node, row, info, facts)
    returned = kernel_returns(plan, row)
    assert returned or answer is not True, "the kernel would lose a row"
    if plan.exact:
        assert returned is (answer is True)
    # A dump in the usual states loses nothing that is in them.
    usual = plan_for(chosen, facts, base=USUAL_STATES, backend="linux")
    if USUAL_STATES >> row[STATE] & 1:
        assert kernel_returns(usual, row) or answer is not True
        if usual.exact:
            assert kernel_returns(usual, row) is (answer is True)
    elsewhere = plan_for(chosen, facts, base=base, backend="sunos")
    assert not elsewhere.program
    assert kernel_returns(elsewhere, row) or answer is not True
    return plan


@settings(max_examples=400, deadline=None)
@given(cases.expressions, cases.rows(), cases.infos, cases.facts())
def test_the_plan_never_loses_a_row(node, row, info, facts):
    check_plan(node, row, facts, info)


@settings(max_examples=400, deadline=None)
@given(cases.row_expressions, cases.rows(), cases.facts())
def test_the_plan_of_what_rows_decide(node, row, facts):
    check_plan(node, row, facts)


@settings(max_examples=100, deadline=None)
@given(cases.row_expressions, cases.rows())
def test_the_plan_needs_no_facts(node, row):
    check_plan(node, row, UNKNOWN)


def ours(text):
    return plan_for(Filter(text), backend="linux")


@pytest.mark.only_on("linux", reason="asks for comm, and for bytecode")
def test_what_is_pushed():
    plan = ours("state established lport 22 rport 40000 remote 10.0.0.0/8")
    assert (plan.states, plan.sport, plan.dport, len(plan.program), plan.exact) == (2, 22, 40000, 16, True)
    assert ours("remote 10.0.0.1:443").dport == 443
    assert ours("lport 22 lport 23").sport == 22 and ours("lport 22 lport 23").program
    assert ours("comm nginx lport 22").sport == 22 and not ours("comm nginx lport 22").exact
    assert not ours("comm nginx or lport 22").program
    assert ours("not (lport 22 or comm nginx)").program, "not lport 22 is known"
    assert not ours("not (lport 22 and comm nginx)").program
    assert ours("not state all").states == 0
    assert ours("lport 22 and not state established and state established").states == 0


def test_states_in_which_to_look():
    assert ours("lport 22").states == USUAL_STATES
    assert ours("state time-wait or lport 22").states == USUAL_STATES | 1 << 6
    assert ours("exclude established").states == USUAL_STATES & ~2
    assert ours("not state time-wait").states == USUAL_STATES
    assert ours("state all").states == ALL_STATES
    assert ours("state listen").states == 1 << LISTEN
    assert Filter("state listen").names_listen and Filter("state connected,listen").names_listen
    assert not Filter("state all").names_listen and not Filter("exclude listen").names_listen
    assert Filter("lport 1").named_states == 0 and Filter("not state syn-sent").named_states == 0


def test_lists_too_long_for_the_kernel_stay_in_user_space():
    texts = [f"10.{i >> 8}.{i & 255}.1" for i in range(5000)]
    plan = plan_for(Filter.remote(texts) & Filter.lport(22), backend="linux")
    assert not plan.program and plan.sport == 22 and not plan.exact


def test_depth_is_bounded():
    node = parse("lport 1")
    with pytest.raises(FilterError, match="nested deeper"):
        for i in range(MAX_DEPTH * 2):
            node = negate((both if i % 2 else either)([node, parse("lport 2")]))
    with pytest.raises(FilterError, match="nested deeper"):
        parse("(" * 5000 + "lport 1" + ")" * 5000)
    with pytest.raises(FilterError, match="nested deeper"):
        parse("not (lport 2 or " * 5000 + "lport 1" + ")" * 5000)


PIECES = [*"()!&|=<>,\"'\\ \t:.-/[]%0129af", "and ", "or ", "not ", "lport ", "remote ", "state ", "comm ", "gt "]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_any_text_parses_or_is_a_filter_error(text):
    try:
        node = parse(text, ANY_SYSTEM)
    except FilterError as error:
        assert error.column is not None and 1 <= error.column <= len(text) + 1
        assert str(error).isprintable()
    else:
        assert parse(str(node), ANY_SYSTEM) == node


def test_rows_of_the_machine_are_rows_of_the_model():
    assert (FAMILY, STATE, LPORT, RPORT) == (8, 9, 6, 7)
