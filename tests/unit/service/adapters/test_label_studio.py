"""Tasks for Label Studio and labels of its exports, by its own formats."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    MissingFileError,
)
from gleann.service.adapters.label_studio import (
    labelling_config,
    labels_of,
    tasks_of,
    write_tasks,
)


def annotation(*choices, control="label", **more):
    """As Label Studio exports one."""
    result = {
        "id": "Dx_aB91ISN",
        "from_name": control,
        "to_name": "item",
        "type": "choices",
        "origin": "manual",
        "value": {"choices": list(choices)},
    }
    return {
        "id": 1001,
        "completed_by": 10,
        "result": [result] if choices else [],
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": 4.288,
        **more,
    }


def exported(name, *annotations):
    return {
        "id": 7,
        "project": 83,
        "data": {"text": "one", "gleann_id": name},
        "annotations": list(annotations),
        "predictions": [],
    }


def test_tasks_have_items_guesses_and_scores_in_order(tmp_path):
    tasks = tasks_of(
        np.array([9, 4]),
        {"text": ["één", "two"], "length": np.array([3, 5])},
        guesses=["cat", None],
        scores=np.array([0.25, 0.5]),
        model="probe",
    )
    assert tasks[1] == {"data": {"text": "two", "length": 5, "gleann_id": 4}}
    assert tasks[0]["data"] == {"text": "één", "length": 3, "gleann_id": 9}
    (guess,) = tasks[0]["predictions"]
    assert guess["score"] == 0.25
    assert guess["model_version"] == "probe"
    assert guess["result"] == [
        {
            "from_name": "label",
            "to_name": "item",
            "type": "choices",
            "value": {"choices": ["cat"]},
        }
    ]
    write_tasks(tasks, tmp_path / "tasks.json")
    assert json.loads((tmp_path / "tasks.json").read_text("utf-8")) == tasks


def test_the_configuration_names_what_tasks_have():
    root = ElementTree.fromstring(labelling_config(["a & b", '"c"'], shows="image"))
    shown, choices = root.find("Image"), root.find("Choices")
    assert shown.attrib == {"name": "item", "value": "$image"}
    assert choices.attrib == {"name": "label", "toName": "item", "choice": "single"}
    assert [one.get("value") for one in choices] == ["a & b", '"c"']
    with pytest.raises(InvalidInputError, match="'film'"):
        labelling_config(["a"], shows="film")
    with pytest.raises(InvalidInputError, match="got none"):
        labelling_config([])


def test_labels_by_majority():
    found = labels_of(
        [
            exported(3, annotation("cat"), annotation("dog"), annotation("cat")),
            exported(1, annotation("dog")),
            exported(2, annotation("cat"), annotation("dog")),
            exported(5, annotation("cat", was_cancelled=True)),
            exported(6),
            exported(8, annotation("dog"), annotation("cat", was_cancelled=True)),
            exported(4, annotation(), annotation("x", control="other")),
        ]
    )
    assert found.ids.tolist() == [3, 1, 8]
    assert found.ids.dtype == np.int64
    assert found.labels.tolist() == ["cat", "dog", "dog"]
    assert found.votes.tolist() == [2, 1, 1]
    assert found.unclear.tolist() == [2]
    assert found.skipped.tolist() == [5, 6, 4]
    assert found.to_dict()["summary"] == {"labelled": 3, "unclear": 1, "skipped": 3}


def test_ground_truth_outweighs_others():
    found = labels_of(
        [exported("a", *[annotation("cat")] * 3, annotation("dog", ground_truth=True))]
    )
    assert found.ids.tolist() == ["a"]
    assert found.labels.tolist() == ["dog"]


def test_a_file_in_json_min(tmp_path):
    path = tmp_path / "project.json"
    path.write_text(
        json.dumps(
            [
                {"text": "one", "gleann_id": 3, "id": 1, "label": "cat"},
                {"text": "two", "gleann_id": 4, "id": 2, "label": {"choices": ["dog"]}},
                {"text": "six", "gleann_id": 6, "id": 3},
            ]
        )
    )
    found = labels_of(path)
    assert dict(zip(found.ids.tolist(), found.labels.tolist(), strict=True)) == {
        3: "cat",
        4: "dog",
    }
    assert found.skipped.tolist() == [6]


def test_json_min_has_an_entry_for_each_annotation_of_a_task():
    entries = [
        {"gleann_id": 3, "id": 1, "annotation_id": 11, "label": "cat"},
        {"gleann_id": 3, "id": 1, "annotation_id": 10, "label": "dog"},
        {"gleann_id": 3, "id": 1, "annotation_id": 9, "label": "cat"},
        {"gleann_id": 4, "id": 2, "annotation_id": 12, "label": "dog"},
    ]
    found = labels_of(entries)
    assert found.ids.tolist() == [3, 4]
    assert found.labels.tolist() == ["cat", "dog"]
    assert found.votes.tolist() == [2, 1]
    with pytest.raises(InvalidInputError, match="gleann_id 3"):
        labels_of([*entries, {"gleann_id": 3, "id": 5, "label": "cat"}])
    with pytest.raises(InvalidInputError, match="gleann_id 3"):
        labels_of([{"gleann_id": 3, "label": "cat"}] * 2)


def test_what_is_refused(tmp_path):
    with pytest.raises(DimensionMismatchError, match="text has 1 entries for 2 ids"):
        tasks_of([1, 2], {"text": ["one"]})
    with pytest.raises(DimensionMismatchError, match="scores has 3 entries for 1"):
        tasks_of([1], {}, guesses=["a"], scores=[1, 2, 3])
    with pytest.raises(InvalidInputError, match="no guesses"):
        tasks_of([1], {}, scores=[1])
    with pytest.raises(InvalidInputError, match="gleann_id"):
        tasks_of([1], {"gleann_id": [1]})
    with pytest.raises(InvalidInputError, match="2 choices, expected 1"):
        labels_of([exported(1, annotation("a", "b"))])
    with pytest.raises(InvalidInputError, match=r"task 1 .*id 7.* has no gleann_id"):
        labels_of([exported(1), {"id": 7, "data": {"text": "one"}, "annotations": []}])
    with pytest.raises(InvalidInputError, match="gleann_id 1"):
        labels_of([exported(1), exported(1)])
    with pytest.raises(MissingFileError):
        labels_of(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(CorruptDataError, match="no JSON"):
        labels_of(tmp_path / "bad.json")
    with pytest.raises(CorruptDataError, match="no list"):
        labels_of({"id": 1})
    with pytest.raises(CorruptDataError, match="task 0 is 3"):
        labels_of([3])


def test_label_studio_accepts_tasks_and_configuration():
    sdk = pytest.importorskip("label_studio_sdk.label_interface")
    config = labelling_config(["cat", "dog"])
    interface = sdk.LabelInterface(config)
    tasks = tasks_of(
        [1, 2], {"text": ["a", "b"]}, guesses=["cat", "dog"], scores=[1, 0]
    )
    interface.validate()  # raises what is wrong
    for task in tasks:
        assert interface.validate_task({"data": task["data"]})
        (guess,) = task["predictions"]
        assert interface.validate_prediction(guess, return_errors=True) == []
    assert not interface.validate_task(tasks_of([3], {"other": ["c"]})[0])
    (wrong,) = tasks_of([3], {"text": ["c"]}, guesses=["bird"])[0]["predictions"]
    assert not interface.validate_prediction(wrong)


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["a", "", "b"], "class 1 of 3, '', is empty"),
        (["a", "b", "a"], "class 2 of 3, 'a', is there twice"),
    ],
)
def test_classes_that_nobody_can_choose(classes, says):
    with pytest.raises(InvalidInputError, match=says):
        labelling_config(classes)


def test_a_guess_may_have_no_score(tmp_path):
    """JSON has no NaN."""
    guessed = tasks_of(
        [1, 2], {"text": ["a", "b"]}, guesses=["x", "y"], scores=[np.nan, 0.5]
    )
    assert [one["predictions"][0].get("score") for one in guessed] == [None, 0.5]
    assert "score" not in guessed[0]["predictions"][0]
    write_tasks(guessed, tmp_path / "tasks.json")
    assert "NaN" not in (tmp_path / "tasks.json").read_text()
    with pytest.raises(InvalidInputError, match="score 1 of 2 is -inf"):
        tasks_of([1, 2], {}, guesses=["x", "y"], scores=[0.5, -np.inf])


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        ({}, "task 0: annotations is no list of objects: {}"),
        ([5], r"task 0: annotations is no list of objects: \[5\]"),
        ([{"result": [7]}], r"task 0: result is no list of objects: \[7\]"),
        ([{"result": "x"}], "task 0: result is no list of objects: 'x'"),
        (
            [{"result": [{"from_name": "label", "value": {"choices": 5}}]}],
            "task 0 has no list of choices: {'choices': 5}",
        ),
        (
            [{"result": [{"from_name": "label", "value": None}]}],
            "task 0 has no list of choices: None",
        ),
    ],
)
def test_an_export_of_another_form(annotations, says):
    with pytest.raises(CorruptDataError, match=says):
        labels_of([{"data": {"gleann_id": 3}, "annotations": annotations}])


def test_null_is_no_label():
    found = labels_of(
        [
            {"data": {"gleann_id": 3}, "annotations": None},
            {"gleann_id": 4, "id": 1, "label": None},
        ]
    )
    assert found.skipped.tolist() == [3, 4]


def test_an_id_beyond_int64():
    with pytest.raises(InvalidInputError, match=f"gleann_id {2**63}, beyond int64"):
        labels_of([exported(2**63, annotation("cat"))])
    least = labels_of([exported(-(2**63), annotation("cat"))])
    assert least.ids.tolist() == [-(2**63)]
