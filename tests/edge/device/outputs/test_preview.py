"""Promises of the preview: a live picture for browsers, of whom none holds the loop up."""

import http.client
import json
import socket
import threading
import time
from typing import Any

import cv2
import numpy as np
import pytest
from edge_detector.errors import ConfigError
from edge_detector.outputs.page import PAGE
from edge_detector.outputs.preview import MOST_VIEWERS, SEND_TIMEOUT_S, Preview

from tests.edge.device.captures import wait_for
from tests.edge.device.results import make_result

LIMIT_S = 20


@pytest.fixture
def preview():
    served = Preview("127.0.0.1", 0, lambda: {"fps": 29.5, "model": "parts 1.2.3"})
    yield served
    served.close()


@pytest.fixture
def port(preview):
    return int(preview.address.rsplit(":", 1)[1].strip("/"))


def get(port, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def open_stream(port):
    """A browser that has asked for the live picture."""
    browser = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    browser.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return browser


def read_pictures(browser, count):
    """The first pictures of a stream, decoded."""
    reader = browser.makefile("rb")
    assert b"200" in reader.readline()
    pictures: list[Any] = []
    while len(pictures) < count:
        line = reader.readline().strip()
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
            assert reader.readline() == b"\r\n"
            data = np.frombuffer(reader.read(length), np.uint8)
            pictures.append(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return pictures


@pytest.fixture
def feed(preview):
    """Writes results as the loop does, 100 a second, and keeps how long each took."""
    stop, times = threading.Event(), []

    def write():
        number = 0
        while not stop.wait(0.01):
            number += 1
            result = make_result(number, image=np.full((48, 64, 3), number % 200, np.uint8))
            started = time.perf_counter()
            if preview.wants_picture(result.frame):
                result.frame.image[:8] = 250  # stands for drawing
            preview.write(result)
            times.append(time.perf_counter() - started)

    thread = threading.Thread(target=write)
    thread.start()
    yield times
    stop.set()
    thread.join()


def test_page_is_complete_in_itself(port):
    """The page needs nothing from elsewhere, and its browser is told to load nothing."""
    status, headers, body = get(port, "/")

    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert body.decode() == PAGE
    assert "http:" not in PAGE and "https:" not in PAGE and "//" not in PAGE.replace("://", "")


def test_status_has_the_metrics(port):
    """Programs get the same metrics as the page."""
    status, headers, body = get(port, "/status.json")

    assert status == 200 and headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"fps": 29.5, "model": "parts 1.2.3"}


def test_prometheus_gets_the_metrics_too(port):
    """By the same rules: not for a page whose name leads here."""
    status, headers, body = get(port, "/metrics")

    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"\nedge_detector_frames_per_second 29.5\n" in body
    assert get(port, "/metrics", host="evil.example")[0] == 403


def test_stream_shows_new_pictures(port, feed):
    """A browser sees the drawn frames, each newer than the last."""
    with open_stream(port) as browser:
        pictures = read_pictures(browser, 5)

    assert all(shown.shape == (48, 64, 3) for shown in pictures)
    assert all(shown[2].min() > 240 for shown in pictures[1:]), "they were drawn upon"
    assert len({int(shown[40].mean()) for shown in pictures}) == 5


def test_single_picture_is_the_newest(preview, port, feed):
    """A picture by itself, for those who want one now and then."""
    status, headers, body = get(port, "/picture.jpg")

    assert status == 200 and headers["Content-Type"] == "image/jpeg"
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None and shown.shape == (48, 64, 3)


def test_nothing_is_drawn_while_nobody_looks(preview, port, feed):
    """Without a browser the preview costs nothing; with one it does until that has gone."""
    frame = make_result(0).frame
    assert not preview.wants_picture(frame)

    with open_stream(port) as browser:
        read_pictures(browser, 1)
        assert preview.wants_picture(frame)

    assert wait_for(lambda: not preview.wants_picture(frame))


def test_slow_and_hung_browsers_never_hold_the_loop_up(preview, port, feed):
    """Browsers that take nothing get dropped; the loop, and the others, do not notice."""
    hung = [open_stream(port) for _ in range(MOST_VIEWERS - 1)]
    for browser in hung:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    mute = socket.create_connection(("127.0.0.1", port))  # connects, and says nothing
    with open_stream(port) as well:
        began = len(feed)
        assert len(read_pictures(well, 20)) == 20

    assert len(feed) - began > 20, "the loop went on"
    assert sorted(feed)[len(feed) // 2] < 0.02  # it sends nothing itself
    assert max(feed) < SEND_TIMEOUT_S / 2  # after which a browser is dropped
    for browser in [*hung, mute]:
        browser.close()


def test_viewers_are_limited(port, feed):
    """More browsers than the device can serve are refused, and let in when others leave."""
    browsers = [open_stream(port) for _ in range(MOST_VIEWERS)]
    for browser in browsers:
        read_pictures(browser, 1)

    assert get(port, "/stream.mjpg")[0] == 503

    for browser in browsers:
        browser.close()
    assert wait_for(lambda: _status_of_stream(port) == 200)


def _status_of_stream(port):
    with open_stream(port) as browser:
        return int(browser.makefile("rb").readline().split()[1])


def test_other_paths_and_sites_are_refused(port):
    """There is nothing but the page; and no other site can read it under its own name."""
    assert get(port, "/../../etc/passwd")[0] == 404
    assert get(port, "/", host="evil.example")[0] == 403
    assert get(port, "/status.json", host=f"evil.example:{port}")[0] == 403
    for own in ("localhost", f"127.0.0.1:{port}", f"192.168.1.7:{port}", "[::1]:80"):
        assert get(port, "/", host=own)[0] == 200


def test_port_in_use_is_a_wrong_argument(port):
    """A taken port is told at the start, with what to do."""
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}.*another port"):
        Preview("127.0.0.1", port, dict)


def test_address_that_is_not_ours_is_a_wrong_argument():
    """So is an address that this machine does not have, or that is none."""
    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(ConfigError, match="cannot listen"):
            Preview(host, 0, dict)


def test_close_ends_streams_and_frees_the_port(port, preview, feed):
    """When the run ends its browsers are let go, and the port can be taken again."""
    browser = open_stream(port)
    read_pictures(browser, 1)
    before = time.monotonic()

    preview.close()

    assert time.monotonic() - before < 5
    while browser.recv(65536):
        pass
    browser.close()
    again = Preview("127.0.0.1", port, dict)
    again.close()


def test_preview_works_by_the_sixth_version_of_the_protocol():
    """IPv6 is served like IPv4, where the machine has it."""
    try:
        served = Preview("::1", 0, dict)
    except ConfigError:
        pytest.skip("no IPv6 here")
    assert served.address.startswith("http://[::1]:")
    served.close()
