"""Servers of a folder on loopback: a fast one, one that limits each connection, one with TLS, one that breaks off."""
import http.server, os, re, ssl, subprocess, threading, time

from place import sh

PIECE = 1 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    """Files with ETags and ranges. What it serves is counted."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.path == "/v2/":
            # Whether it is a registry of images.
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            source = open(self.server.folder / os.path.basename(self.path.split("?")[0]), "rb")
        except OSError:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with source:
            stat = os.fstat(source.fileno())
            etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if wanted and self.headers.get("If-Range", etag) == etag and int(wanted[1]) < stat.st_size:
                first, last = int(wanted[1]), min(int(wanted[2] or stat.st_size - 1), stat.st_size - 1)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{last}/{stat.st_size}")
            else:
                first, last = 0, stat.st_size - 1
                self.send_response(200)
            if "/manifests/" in self.path:
                self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            for name, value in {"Content-Length": last + 1 - first, "ETag": etag, "Accept-Ranges": "bytes"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.flush()
            if self.command == "HEAD":
                return
            try:
                self.send_part(source, first, last + 1)
            except OSError:
                # The client has what it wants, or is gone.
                self.close_connection = True

    def send_part(self, source, at, end):
        server, start, sent = self.server, time.monotonic(), 0
        while at < end:
            length = min(end - at, PIECE if server.rate or server.cut_at else 1 << 24)
            if server.is_secure:
                length = self.connection.send(os.pread(source.fileno(), min(length, PIECE), at))
            else:
                length = os.sendfile(self.connection.fileno(), source.fileno(), at, length)
            at, sent = at + length, sent + length
            server.count(length)
            if server.rate:
                time.sleep(max(0, sent / server.rate - (time.monotonic() - start)))
            if server.cut_at and at >= server.cut_at:
                server.cut_at = None
                self.close_connection = True
                return


class Server(http.server.ThreadingHTTPServer):
    """A running server. `rate` is in bytes a second for each connection; the first answer that gets to byte `cut_at` is broken off."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder, rate=None, cut_at=None, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.rate, self.cut_at, self.is_secure = folder, rate, cut_at, certificate is not None
        self.served, self.lock = 0, threading.Lock()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def count(self, length):
        with self.lock:
            self.served += length

    def url(self, name):
        return f"http{'s' if self.is_secure else ''}://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, *arguments):
        pass


CERTIFICATE = """[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = bench
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
"""


def make_certificate(path):
    """A key and a certificate for loopback that vouches for itself, in one file."""
    settings, key = path.with_suffix(".conf"), path.with_suffix(".key")
    settings.write_text(CERTIFICATE)
    sh("openssl", "req", "-x509", "-config", settings, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
       "-keyout", key, "-out", path, stderr=subprocess.DEVNULL)
    with open(path, "ab") as f:
        f.write(key.read_bytes())
    for made in [settings, key]:
        made.unlink()
