"""The download, from a server on this machine that stands in for OpenML with seven images."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pytest

from tinygrad_cnn.data import mnist, mnist_download
from tinygrad_cnn.errors import DataError, DataNotFoundError

openml = pytest.importorskip("sklearn.datasets._openml")

TRAINING, TEST = 5, 2
IMAGES = np.random.default_rng(0).integers(0, 256, (TRAINING + TEST, 784))
LABELS = [5, 0, 4, 1, 9, 7, 2]
FEATURES = [f"pixel{i}" for i in range(1, 785)] + ["class"]


def arff() -> bytes:
    lines = ["@RELATION mnist_784"]
    lines += [f"@ATTRIBUTE {name} real" for name in FEATURES[:-1]]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA"]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(IMAGES.tolist(), LABELS, strict=True)]
    return "\n".join(lines).encode()


def answers() -> dict[str, bytes]:
    """What OpenML answers, by path."""
    features = [
        {
            "index": str(index),
            "name": name,
            "data_type": "nominal" if name == "class" else "numeric",
            "is_target": "true" if name == "class" else "false",
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index, name in enumerate(FEATURES)
    ]
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "seven images",
        "format": "ARFF",
        "status": "active",
        "url": "https://www.openml.org/data/v1/download/52667/mnist_784.arff",
        "file_id": "52667",
        "md5_checksum": hashlib.md5(arff()).hexdigest(),
    }
    listed = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    qualities = [{"name": "NumberOfInstances", "value": str(len(LABELS))}]
    listing = "/api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
    documents: dict[str, Any] = {
        listing: {"data": {"dataset": [listed]}},
        "/api/v1/json/data/554": {"data_set_description": description},
        "/api/v1/json/data/features/554": {"data_features": {"feature": features}},
        "/api/v1/json/data/qualities/554": {"data_qualities": {"quality": qualities}},
    }
    packed = {path: gzip.compress(json.dumps(document).encode()) for path, document in documents.items()}
    return packed | {"/data/v1/download/52667/mnist_784.arff": gzip.compress(arff())}


@dataclass
class OpenmlServer:
    """The answers, which a test may change, and the paths that were asked for."""

    answers: dict[str, bytes] = field(default_factory=answers)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenmlServer]:
    state = OpenmlServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = state.answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    opener = build_opener(ProxyHandler({}))  # a proxy would not find 127.0.0.1

    def to_this_machine(request: Request) -> Any:
        local = request.full_url.replace("https://www.openml.org", f"http://127.0.0.1:{http.server_port}")
        assert local.startswith("http://127.0.0.1:")
        return opener.open(Request(local, headers=dict(request.header_items())), timeout=10)

    monkeypatch.setattr(openml, "urlopen", to_this_machine)
    monkeypatch.setattr(openml.time, "sleep", lambda _: None)
    monkeypatch.setattr(mnist_download, "_TRAINING_IMAGES", TRAINING)
    monkeypatch.setattr(mnist_download, "_TEST_IMAGES", TEST)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_first_rows_are_the_training_images(server: OpenmlServer, tmp_path: Path) -> None:
    data = mnist(data_home=tmp_path)

    expected = IMAGES.reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)
    assert np.array_equal(data.train_images, expected[:TRAINING])
    assert np.array_equal(data.test_images, expected[TRAINING:])
    assert data.train_labels.tolist() == LABELS[:TRAINING]
    assert data.test_labels.tolist() == LABELS[TRAINING:]
    assert data.train_labels.dtype == np.int64


def test_numbers_split_a_download_as_they_split_a_folder(server: OpenmlServer, tmp_path: Path) -> None:
    data = mnist(train=3, test=2, data_home=tmp_path)

    assert data.test_labels.tolist() == LABELS[:2]
    assert data.train_labels.tolist() == LABELS[2:5]


def test_the_second_time_nothing_is_downloaded(server: OpenmlServer, tmp_path: Path) -> None:
    first = mnist(data_home=tmp_path)
    server.asked.clear()
    server.answers.clear()

    again = mnist(data_home=tmp_path)

    assert server.asked == []
    assert np.array_equal(again.train_images, first.train_images)


def one_clear_line(error: pytest.ExceptionInfo[Exception]) -> bool:
    message = str(error.value)
    return "\n" not in message and "pass data_dir" in message and "t10k-labels-idx1-ubyte" in message


def test_without_a_network_the_error_says_what_to_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_network(request: Request) -> Any:
        raise URLError("Name or service not known")

    monkeypatch.setattr(openml, "urlopen", no_network)
    monkeypatch.setattr(openml.time, "sleep", lambda _: None)

    with pytest.raises(
        DataNotFoundError, match=r"no folder was given and .* failed \(.*service not known.*\)"
    ) as error:
        mnist(data_home=tmp_path)

    assert one_clear_line(error)


def test_a_server_that_has_moved_is_a_download_that_failed(server: OpenmlServer, tmp_path: Path) -> None:
    server.answers.clear()

    with pytest.raises(DataNotFoundError, match=r"failed \(HTTP Error 404") as error:
        mnist(data_home=tmp_path)

    assert one_clear_line(error)


@pytest.mark.filterwarnings("ignore:Invalid cache, redownloading")
@pytest.mark.parametrize("body", [b"<html>log in</html>", b'{"data": []}', b"[]"], ids=["page", "other", "list"])
def test_a_login_page_in_place_of_the_answer_is_a_download_that_failed(
    server: OpenmlServer, tmp_path: Path, body: bytes
) -> None:
    server.answers = {path: gzip.compress(body) for path in server.answers}

    with pytest.raises(DataNotFoundError, match="the download from OpenML failed") as error:
        mnist(data_home=tmp_path)

    assert one_clear_line(error)


@pytest.mark.filterwarnings("ignore:Invalid cache, redownloading")
def test_a_damaged_download_is_not_taken(server: OpenmlServer, tmp_path: Path) -> None:
    server.answers["/data/v1/download/52667/mnist_784.arff"] = gzip.compress(arff()[:-1] + b"3")

    with pytest.raises(DataNotFoundError, match="md5 checksum"):
        mnist(data_home=tmp_path)


def test_another_number_of_images_is_refused(
    server: OpenmlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist_download, "_TRAINING_IMAGES", 60_000)

    with pytest.raises(DataError, match=r"expects the shape \(60002, 784\), got \(7, 784\)"):
        mnist(data_home=tmp_path)
