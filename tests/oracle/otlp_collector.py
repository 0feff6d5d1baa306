"""A collector of traces: takes OTLP over HTTP, reads it with OpenTelemetry's own package, and prints what came.

The first line is `listening: PORT`; then a line of JSON for each request.
"""

import http.server
import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def plain(value):
    """A value of an attribute."""
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs):
    return {pair.key: plain(pair.value) for pair in pairs}


def span(span):
    return {
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "from": span.start_time_unix_nano,
        "to": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "status": span.status.code,
        "message": span.status.message,
    }


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        spans = [span(it) for of in request.resource_spans for scope in of.scope_spans for it in scope.spans]
        came = {
            "path": self.path,
            "authorization": self.headers.get("authorization"),
            "resources": [attributes(of.resource.attributes) for of in request.resource_spans],
            "spans": spans,
        }
        print(json.dumps(came), flush=True)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *_):
        """Says nothing: standard error is for what goes wrong."""


server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
print(f"listening: {server.server_port}", flush=True)
server.serve_forever()
