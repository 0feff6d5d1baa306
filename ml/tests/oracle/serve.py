"""Runs the scripts beside this one again and again: importing what they need takes longer than what they do.

A line on stdin names a script and holds its question as text; a line on stdout holds what the script prints, or why it
does not.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import traceback

FOLDER = os.path.dirname(os.path.abspath(__file__))

requests, replies = sys.stdin, sys.stdout
for line in requests:
    request = json.loads(line)
    sys.stdin, printed, error = io.StringIO(request["question"]), io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(os.path.join(FOLDER, request["script"]), run_name="__main__")
        except (Exception, SystemExit):
            error = traceback.format_exc()
    replies.write(json.dumps({"answer": printed.getvalue(), "error": error}) + "\n")
    replies.flush()
