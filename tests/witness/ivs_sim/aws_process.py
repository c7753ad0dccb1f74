"""The AWS CLI, taking command lines one after the other: what `aws` runs, without the half second that Python takes to load it each time.

It is a process of its own because the CLI has a botocore of its own, which would take the place of boto3's. A line of stdin is a command
as a JSON list of words; a line of stdout is what came of it: the exit code, what it printed, what it said of errors, and the answers that
it got from the service.
"""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver


def main():
    answers, lines = [], sys.stdout
    driver = create_clidriver()

    def answered(operation_model, response_dict, **_):
        answers.append({"operation": operation_model.name, "status": response_dict["status_code"],
                        "headers": dict(response_dict["headers"].items()), "body": response_dict["body"].decode()})

    driver.session.register("before-parse", answered)
    for line in sys.stdin:
        printed, said = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            code = driver.main(json.loads(line))
        printed.flush()
        outcome = {"code": code, "printed": printed.buffer.getvalue().decode(), "said": said.getvalue(), "answers": answers}
        print(json.dumps(outcome), file=lines, flush=True)
        answers.clear()


if __name__ == "__main__":
    main()
