"""From rows to runs: named for what they are, shared by content, run by commands that exist."""

import re
from functools import cache

import pytest

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import BEST, FILE
from stars_infer.train.reproduction.hours import hours_of
from stars_infer.train.reproduction.overrides import Overrides
from stars_infer.train.reproduction.places import DONE, OPEN, Places, flags_of
from stars_infer.train.reproduction.planning import plan_table
from stars_infer.train.reproduction.reproduce import look_at
from stars_infer.train.reproduction.runs import Evaluation, Fusion, Training, with_needs
from stars_infer.train.tables.table import find_table, load_tables
from tests.train.test_docs import options_of

PLANS = {table.id: plan_table(table) for table in load_tables()}
NODES = {name: with_needs(plan.nodes()) for name, plan in PLANS.items()}
EVERY = with_needs([node for nodes in NODES.values() for node in nodes])
ALIASES = {"STARS as in Table 7": "STARS"}


def trainings(name):
    return {node.key: node for node in NODES[name] if isinstance(node, Training)}


@pytest.mark.parametrize("name", PLANS)
def test_rows_are_named_as_stars_train_eval_names_their_runs(name):
    for cells in PLANS[name].cells:
        for cell in cells:
            if cell.node is not None and PLANS[name].table.kind == "table":
                assert cell.node.title == ALIASES.get(cell.row.method, cell.row.method)


def test_tables_share_encoders():
    alone = sum(len(trainings(name)) for name in PLANS)
    shared = [node for node in EVERY if isinstance(node, Training)]
    assert len({node.key for node in EVERY}) == len(EVERY)
    assert len({node.name for node in EVERY}) == len(EVERY)
    assert len(shared) < alone / 2
    assert trainings("stars-2").keys() <= trainings("stars-1").keys()
    assert trainings("skeleton2vec-fig-4").keys() <= trainings("skeleton2vec-5a").keys()
    assert trainings("skeleton2vec-fig-4").keys() <= trainings("skeleton2vec-fig-5").keys()
    # The layer decay and the queue of STARS itself are points of both sweeps.
    assert len(trainings("stars-fig-4a").keys() & trainings("stars-fig-4b").keys()) == 2


def test_runs_come_behind_what_they_need():
    seen = set()
    for node in EVERY:
        needs = node.parts if isinstance(node, Fusion) else [
            node.start if isinstance(node, Training) else node.trained
        ]  # fmt: skip
        assert {need.key for need in needs if need} <= seen
        seen.add(node.key)


def test_what_is_measured():
    by_title = {(node.title, str(node.part)): node for node in EVERY if isinstance(node, Training)}
    three = by_title["STARS-3stage", "ntu60-xsub"]
    assert [stage.recipe.name for stage in three.stages] == ["mamp", "head-init", "stars-3stage"]
    assert (three.measured, three.stages[0].measured) == (BEST, FILE)
    assert by_title["MAMP", "ntu120-xset"].config.views.absent_bodies == "copy"
    assert by_title["MAMP", "ntu120-xset"].config.settings.tau == 0.75
    assert by_title["STARS-MAE", "ntu60-xview"].start.title == "MAE"
    assert by_title["SkeAttnCLR", "pku1-xsub"].config.encoder.network == "stgcn"
    assert by_title["Skeleton2vec 200 epochs", "ntu60-xsub"].keep == 10
    ((cell,),) = (row for row in PLANS["skeattnclr-2"].cells if row[0].row.stream == "bone"
                  and row[0].row.encoder == "skeattnclr-dsta")  # fmt: skip
    assert cell.node.of.config.encoder.stream == "bone"
    fused = PLANS["skeattnclr-5"].cells[0][0].node
    assert [part.of.config.encoder.stream for part in fused.parts] == ["joint", "motion", "bone"]


def test_commands_and_their_flags_exist(tmp_path):
    places, options = Places(out=tmp_path / "out", data=tmp_path), cache(options_of)
    for node in EVERY:
        command = places.command(node)
        words = command[:3] if command[1] == "eval" else command[:2]
        given = {word for word in command if re.match(r"--[a-z]", word)}
        assert given <= options(words), command
    assert list(flags_of({"salient_loss": False, "queue": 8, "share": [0.1, 0.2]})) == [
        "--no-salient-loss", "--queue", "8", "--share", "0.1", "--share", "0.2",
    ]  # fmt: skip


def test_settings_make_another_run_and_places_do_not():
    ours = plan_table(find_table("stars-6"), Overrides.parse(["tune.epochs=3"]))
    before, after = trainings("stars-6"), with_needs(ours.nodes())
    after = {node.key: node for node in after if isinstance(node, Training)}
    common = before.keys() & after.keys()
    assert {before[key].title for key in common} == {"MAMP"}
    assert all(after[key].config.loop.epochs == 3 for key in after.keys() - common)
    watched = plan_table(find_table("stars-6"), Overrides.parse(["log_every=3"]))
    assert {node.key for node in with_needs(watched.nodes())} == {n.key for n in NODES["stars-6"]}


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("steps", "--set steps: KEY=VALUE, or STAGE.KEY=VALUE"),
        ("stage.steps=2", "--set stage.steps=2: KEY=VALUE, or STAGE.KEY=VALUE with a stage of"),
        ("stepps=2", "there is no setting 'stepps' of runs"),
        ("linear.queue=2", "there is no setting 'queue' of linear"),
    ],
)
def test_settings_that_do_not_exist(word, problem):
    with pytest.raises(UsageError, match=problem):
        Overrides.parse([word])


def test_hours_follow_from_steps_and_clips():
    (mamp,) = (node for node in NODES["stars-fig-6"] if isinstance(node, Training))
    assert hours_of(mamp) == pytest.approx(400 * 40_091 / 4450 / 3600)
    (fewer,) = (
        node
        for node in with_needs(
            plan_table(
                find_table("stars-fig-6"), Overrides.parse(["steps=100", "batch=89"])
            ).nodes()
        )
        if isinstance(node, Training)
    )
    assert hours_of(fewer) == pytest.approx(100 * 89 / 4450 / 3600)
    for node in EVERY:
        assert hours_of(node) > 0 or isinstance(node, Fusion)
    longest = max(hours_of(node) for node in EVERY if isinstance(node, Evaluation))
    assert longest < 5


def test_the_outlook_counts_shared_runs_once(tmp_path):
    tables = [find_table(name) for name in ("stars-1", "stars-2", "stars-fig-2")]
    (first, second, drawing), whole = look_at(tables, Places(out=tmp_path))
    assert (first.trainings, first.measurements) == (20, 15)
    assert whole.trainings == first.trainings
    assert whole.hours < first.hours + second.hours
    assert (whole.done, whole.rest) == (0, pytest.approx(whole.hours))
    assert drawing.hours == 0


def test_states_of_what_is_not_there(tmp_path):
    places = Places(out=tmp_path, data=tmp_path)
    assert {places.state(node) for node in EVERY} == {OPEN} != {DONE}
    assert not any(places.refusal(node) for node in EVERY)
    with pytest.raises(UsageError, match="no NTU-60 here; put the pack or the raw data there as"):
        places.raw("ntu60")
    with pytest.raises(UsageError, match="stars-6 has no row 'BYOL'; it has DINO; DINO aug; MoCo"):
        PLANS["stars-6"].nodes(rows=["BYOL"])
    with pytest.raises(UsageError, match="stars-6 has no column 'XSub'; it has NTU-60 XSub"):
        PLANS["stars-6"].nodes(columns=["XSub"])
