"""Code cells as Python: what is a magic and what only looks like one."""

import ast

import pytest
from sdcbook import records


def test_a_line_that_begins_with_a_percent_sign_may_go_on_from_the_one_before():
    source = "rest = (17\n % 5)\nclaim('a remainder', rest == 2)"
    assert ast.dump(records.parse(source)) == ast.dump(ast.parse(source))


@pytest.mark.parametrize("magic", ["%matplotlib inline", "!ls", "files = !ls", "x = %timeit -o 1", "%%time", "%%capture shown"])
def test_claims_beside_a_magic_are_found(magic):
    (found,) = records.claims(f"{magic}\nclaim('it holds', True, focus=True)")
    assert found == records.Claim("it holds", True)
