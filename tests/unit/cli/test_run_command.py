"""``engine run``: what is asked, in which order, what is told where, and how it exits."""
from __future__ import annotations

def test_smoke(world, run, make):
    world.runs = {"bank-transactions": make.summary()}
    r = run("run", "bank-transactions", "--param", "full=true", terminal=True)
    print(r.out, r.err)
    r = run("run", "bank-transactions")
    print(r.out, r.err)
    world.problems=[]
    world.keep([make.letter(1), make.letter(2, code="missing-field", message="description", target=None, mapped=None)], [make.run_row(1)], [], {"bank-transactions/cursor": {"cursor": {"updated_at": "2026-11-21 18:02:11", "id": 5}}})
    for cmd in (["runs"], ["runs","show","01jd5"], ["runs","logs","01jd5"], ["dead-letters","list"], ["dead-letters","list","--each"], ["cursor","show","bank-transactions"], ["cursor","set","bank-transactions","id=7"], ["cursor","reset","bank-transactions"], ["cursor","show","bank-transactions"], ["list"], ["show","bank-transactions"],["show","automation-hub"], ["validate"], ["--help"], ["connectors"], ["dead-letters","show","01JD5X00000000000000000001"],["dead-letters","replay","--reason","refused"],["nope"],["run","bank-transaction"],["dead-letters", "--help"]):
        for t in (True, False):
            r = run(*cmd, terminal=t)
            print("$", *cmd, r.code); print(r.out); print("ERR", r.err)
    assert 0
