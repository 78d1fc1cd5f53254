"""A server that speaks Triton's protocol, by gRPC and by HTTP, and runs a model repository.

Triton itself is a container. This one reads the same `config.pbtxt`, checks what Triton checks of a
request (names, shapes, `max_batch_size`), and runs the same file by ONNX Runtime.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import onnxruntime
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc


class Refused(Exception):
    """A request that Triton refuses."""


class Stub(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A running server.

    Attributes:
        asked: Size of each batch.
        shown: What each call showed as its authorization.
        ready: Whether it says that it is ready.
        delay: Seconds that a request takes.
    """

    def __init__(self, repository):
        self.asked, self.shown, self.ready, self.delay = [], [], True, 0.0
        self.models = {}
        for folder in repository.iterdir():
            config = model_config_pb2.ModelConfig()
            text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), config)
            session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
            self.models[folder.name] = config, session
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._grpc)
        self.host = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.http_host = f"127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()

    def config(self, name):
        if name not in self.models:
            raise Refused(f"Request for unknown model: '{name}' is not found")
        return self.models[name][0]

    def infer(self, name, given, array):
        config = self.config(name)
        if given != config.input[0].name or list(array.shape[1:]) != list(config.input[0].dims):
            raise Refused(f"unexpected shape for input '{given}' for model '{name}'")
        if len(array) > config.max_batch_size:
            raise Refused(f"batch size must be <= {config.max_batch_size} for '{name}'")
        self.asked.append(len(array))
        time.sleep(self.delay)
        return self.models[name][1].run(None, {given: array})[0]

    def _call(self, context, work):
        self.shown.append(dict(context.invocation_metadata()).get("authorization"))
        try:
            return work()
        except Refused as error:
            unknown = "unknown model" in str(error)
            code = grpc.StatusCode.NOT_FOUND if unknown else grpc.StatusCode.INVALID_ARGUMENT
            return context.abort(code, str(error))

    def ServerReady(self, request, context):  # noqa: N802
        return self._call(context, lambda: service_pb2.ServerReadyResponse(ready=self.ready))

    def ModelReady(self, request, context):  # noqa: N802
        there = request.name in self.models
        return self._call(context, lambda: service_pb2.ModelReadyResponse(ready=there))

    def ModelConfig(self, request, context):  # noqa: N802
        return self._call(
            context, lambda: service_pb2.ModelConfigResponse(config=self.config(request.name))
        )

    def ModelInfer(self, request, context):  # noqa: N802
        def work():
            tensor = request.inputs[0]
            array = np.frombuffer(request.raw_input_contents[0], np.float32).reshape(tensor.shape)
            found = self.infer(request.model_name, tensor.name, array)
            answer = service_pb2.ModelInferResponse(model_name=request.model_name)
            answer.outputs.add(name="pooled", datatype="FP32", shape=found.shape)
            answer.raw_output_contents.append(found.tobytes())
            return answer

        return self._call(context, work)


def handler_of(stub):
    """The same by HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            pass

        def do_GET(self):
            stub.shown.append(self.headers.get("authorization"))
            name = self.path.split("/")[3]
            if self.path.endswith("/config"):
                config = json_format.MessageToDict(
                    stub.config(name), preserving_proto_field_name=True
                )
                return self.answer(200, json.dumps(config).encode())
            good = stub.ready if name == "ready" else name in stub.models
            return self.answer(200 if good else 400, b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            length = int(self.headers["Inference-Header-Content-Length"])
            tensor = json.loads(body[:length])["inputs"][0]
            array = np.frombuffer(body[length:], np.float32).reshape(tensor["shape"])
            try:
                found = stub.infer(self.path.split("/")[3], tensor["name"], array)
            except Refused as error:
                return self.answer(400, json.dumps({"error": str(error)}).encode())
            output = {"name": "pooled", "datatype": "FP32", "shape": found.shape}
            output["parameters"] = {"binary_data_size": found.nbytes}
            head = json.dumps({"model_name": "m", "outputs": [output]}).encode()
            return self.answer(200, head + found.tobytes(), head=len(head))

        def answer(self, status, body, *, head=None):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if head is not None:
                self.send_header("Inference-Header-Content-Length", str(head))
            self.end_headers()
            self.wfile.write(body)

    return Handler
