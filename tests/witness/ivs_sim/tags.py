"""Tags of stages, by the operations that are about nothing else."""

from checks import equal


def run(simulator):
    stage = simulator.stage("tagged", tags={"role": "main"})
    read = lambda: simulator.call("ListTagsForResource", resourceArn=stage)["tags"]
    simulator.call("TagResource", resourceArn=stage, tags={"show": "42", "role": "x"})
    equal("tags", read(), {"show": "42", "role": "x"})
    simulator.call("UntagResource", resourceArn=stage, tagKeys=["role", "never"])
    equal("one tag left", read(), {"show": "42"})
    simulator.call("TagResource", resourceArn=stage, tags={"a key of words": "größe = 1/2 @ +x"})
    simulator.call("UntagResource", resourceArn=stage, tagKeys=["a key of words", "show"])
    equal("no tags left", read(), {})
    simulator.call("TagResource", resourceArn=stage, tags={f"k{n}": "" for n in range(49)})
    simulator.refused("51 tags", "ValidationException", "TagResource", resourceArn=stage, tags={"one": "", "more": ""})
    simulator.refused("reserved", "ValidationException", "TagResource", resourceArn=stage, tags={"aws:x": ""})
    simulator.refused("a comma", "ValidationException", "TagResource", resourceArn=stage, tags={"x": "a,b"})
