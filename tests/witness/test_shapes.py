"""That the witness would see it: answers that botocore takes, and that are not as its model says.

Usage: python3 -m unittest discover tests/witness
"""

import json
import unittest

import botocore.session

import shapes

SERVICE = botocore.session.get_session().get_service_model("ivs-realtime")
STAGE = "arn:aws:ivs:us-east-1:123456789012:stage/abcdABCDefgh"
SESSION = {"sessionId": "st-0123456789abc", "startTime": "2026-01-01T00:00:00.000Z"}
REPLICA = {
    "sourceStageArn": STAGE, "participantId": "p", "sourceSessionId": SESSION["sessionId"], "destinationStageArn": STAGE,
    "destinationSessionId": SESSION["sessionId"], "replicationState": "ACTIVE"}
JSON = {"content-type": "application/json"}


def problems(operation, body, status=200, headers=JSON):
    answer = shapes.of_answer(SERVICE.operation_model(operation), status, headers, json.dumps(body).encode())
    return [f"{path} {words}" for path, words in answer]


class Answers(unittest.TestCase):
    def test_what_is_as_the_model_says_passes(self):
        self.assertEqual(problems("ListParticipantReplicas", {"replicas": [REPLICA], "nextToken": "a_b"}), [])
        self.assertEqual(problems("GetStageSession", {"stageSession": SESSION}), [])
        self.assertEqual(problems("GetStage", {"stage": {"arn": STAGE, "tags": {"k": "v"}}}), [])

    def test_each_departure_is_told_with_its_path(self):
        without = {name: value for name, value in REPLICA.items() if name != "destinationSessionId"}
        cases = [
            ("ListParticipantReplicas", {}, "replicas is required"),
            ("ListParticipantReplicas", {"replicas": None}, "replicas is None"),
            ("ListParticipantReplicas", {"replicas": [without]}, "replicas[].destinationSessionId is required"),
            ("ListParticipantReplicas", {"replicas": [REPLICA | {"extra": 1}]}, "replicas[].extra is no member"),
            ("ListParticipantReplicas", {"replicas": [REPLICA | {"replicationState": "PAUSED"}]}, "replicas[].replicationState is 'PAUSED'"),
            ("ListParticipantReplicas", {"replicas": [REPLICA | {"participantId": "x" * 65}]}, "replicas[].participantId is of 65"),
            ("ListParticipantReplicas", {"replicas": [REPLICA | {"sourceStageArn": "a"}]}, "replicas[].sourceStageArn is 'a'"),
            ("ListParticipantReplicas", {"replicas": [REPLICA | {"sourceSessionId": "st-1"}]}, "replicas[].sourceSessionId is of 4"),
            ("GetStageSession", {"stageSession": SESSION | {"startTime": 1767225600}}, "stageSession.startTime is 1767225600"),
            ("GetStageSession", {"stageSession": SESSION | {"startTime": "2026-01-01 00:00"}}, "stageSession.startTime is '2026"),
            ("GetStage", {"stage": {"arn": STAGE, "tags": {"": "v"}}}, "stage.tags{key} is of 0"),
            ("GetStage", {"stage": {"arn": STAGE, "tags": {"k": 5}}}, "stage.tags{value} is 5"),
            ("GetStage", {"stage": {"arn": STAGE, "name": True}}, "stage.name is True"),
        ]
        for operation, body, expected in cases:
            with self.subTest(expected):
                self.assertTrue(any(problem.startswith(expected) for problem in problems(operation, body)), problems(operation, body))

    def test_the_frame_of_an_answer_counts_too(self):
        self.assertIn("status is 201, not 200", problems("GetStage", {"stage": {"arn": STAGE}}, 201))
        self.assertIn("content-type is None", problems("GetStage", {"stage": {"arn": STAGE}}, headers={}))
        headers = JSON | {"x-amzn-errortype": "ConflictException"}
        found = problems("StartParticipantReplication", {"message": "no"}, 400, headers)
        self.assertIn("status is 400, not 409", found)
        self.assertIn("message is no member of the model", found)
        self.assertTrue(any(problem.startswith("xFrameOptions is missing") for problem in found), found)

    def test_an_error_that_the_model_does_not_have_is_not_held_against_it(self):
        self.assertEqual(problems("GetStage", {"message": "slow down"}, 400, JSON | {"x-amzn-errortype": "ThrottlingException"}), [])


if __name__ == "__main__":
    unittest.main()
