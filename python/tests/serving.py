"""A server of HTTP that a test plays."""

import contextlib
import http.server
import ssl
import threading


@contextlib.contextmanager
def serving(handler, tls=None):
    """Gives the port of loopback that the handler serves, with such a certificate and key where there are some."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
