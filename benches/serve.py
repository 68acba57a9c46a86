"""Sends the same questions to `electra serve` and to a transformers server, and prints their throughput and latency.

  python3 benches/serve.py --electra target/release/electra --checkpoint MODEL --data dev.json
      [--peer HF_FOLDER --peer-python VENV/bin/python --peer-server http|fastapi]
      [--clients 8] [--requests 200] [--list N]

The client uses Python's standard library: --clients threads, each with a persistent connection, ask one question after
the other until all are answered. --list N puts N questions into each request (/v1/answers). Prints one line of JSON per
server: questions per second, p50 and p95 of a request in seconds, and the number of responses other than 200.

There are two peers, both typical servers for transformers. `fastapi` (pip install torch 'transformers<5' fastapi uvicorn)
is an application under uvicorn with one endpoint, which calls pipeline("question-answering"). `http` needs neither FastAPI
nor the pipeline, which transformers 5 no longer has: it is an http.server that reproduces the pipeline: the tokenizer's
windows of 384 tokens, one forward pass over all windows of a question, the best span of at most 15 tokens. In both, the
threads share one lock around the model, because PyTorch already uses all cores for one question. The head of HF_FOLDER
may be untrained: it costs the same. Both read the same passages; the checkpoints should have the same encoder (`electra
export --format hf`).
"""
import argparse, http.client, http.server, json, subprocess, sys, threading, time
from urllib.parse import urlsplit


def questions(path, count):
    """The first `count` questions of a SQuAD file, repeated if there are fewer."""
    with open(path, encoding="utf-8") as file:
        articles = json.load(file)["data"]
    asked = [{"question": question["question"], "passage": passage["context"]}
             for article in articles for passage in article["paragraphs"] for question in passage["qas"]]
    return [asked[place % len(asked)] for place in range(count)]


def drive(url, path, bodies, clients):
    """Sends all bodies from `clients` threads; returns seconds per request, statuses other than 200, and total seconds."""
    server = urlsplit(url)
    waiting, lock = list(enumerate(bodies))[::-1], threading.Lock()
    seconds, wrong = [0.0] * len(bodies), []

    def client():
        connection = http.client.HTTPConnection(server.hostname, server.port, timeout=600)
        while True:
            with lock:
                if not waiting:
                    return connection.close()
                place, body = waiting.pop()
            began = time.perf_counter()
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            seconds[place] = time.perf_counter() - began
            if response.status != 200:
                wrong.append(response.status)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seconds, wrong, time.perf_counter() - began


def report(name, url, path, asked, each, clients):
    lists = [asked[place:place + each] for place in range(0, len(asked), each)]
    bodies = [json.dumps(part if each > 1 else part[0]) for part in lists]
    # Warm up: choose kernels and fill caches before the timing.
    drive(url, path, bodies[:clients], clients)
    seconds, wrong, whole = drive(url, path, bodies, clients)
    seconds.sort()
    at = lambda share: round(seconds[int((len(seconds) - 1) * share)], 4)
    print(json.dumps({"server": name, "clients": clients, "questions": len(asked), "questions_a_request": each,
                      "questions_per_s": round(len(asked) / whole, 2), "p50": at(0.5), "p95": at(0.95),
                      "not_answered": len(wrong)}), flush=True)


def start(command):
    """Starts a server and reads its address from the JSON of its first line."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if not line:
        sys.exit(f"{command[0]} ended: {server.wait()}")
    return server, json.loads(line)["url"]


def fastapi_peer(folder):
    """Serves the pipeline of transformers 4 until it is killed."""
    import socket, typing
    import fastapi, uvicorn
    from transformers import pipeline
    answer_all = pipeline("question-answering", model=folder, device="cpu")
    one_at_a_time = threading.Lock()
    application = fastapi.FastAPI()

    # Not async: FastAPI runs it in its thread pool, so that the server keeps reading requests.
    @application.post("/")
    def answer(asked: typing.Union[dict, list[dict]]):
        several = asked if isinstance(asked, list) else [asked]
        with one_at_a_time:
            found = answer_all([{"question": one["question"], "context": one["passage"]} for one in several],
                               max_seq_len=384, doc_stride=128)
        return found

    listening = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}), flush=True)
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listening])


def peer(folder):
    """Serves a transformers model until it is killed."""
    import torch
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    one_at_a_time = threading.Lock()

    def answer(asked):
        windows = tokenizer(asked["question"], asked["passage"], truncation="only_second", max_length=384, stride=128,
                            padding=True, return_overflowing_tokens=True, return_offsets_mapping=True,
                            return_tensors="pt")
        offsets = windows.pop("offset_mapping")
        windows.pop("overflow_to_sample_mapping")
        with torch.inference_mode():
            logits = model(**windows)
        best = (-1e9, 0, 0)
        for window in range(len(offsets)):
            of_passage = torch.tensor([part == 1 for part in windows.sequence_ids(window)])
            start = logits.start_logits[window].masked_fill(~of_passage, -1e9)
            end = logits.end_logits[window].masked_fill(~of_passage, -1e9)
            scores = (start[:, None] + end[None, :]).triu()
            scores = torch.where(torch.ones_like(scores).triu().tril(14).bool(), scores, torch.tensor(-1e9))
            place = int(scores.argmax())
            first, last = divmod(place, scores.shape[1])
            if scores[first, last] > best[0]:
                best = (float(scores[first, last]), int(offsets[window, first, 0]), int(offsets[window, last, 1]))
        score, begin, end = best
        return {"answer": asked["passage"][begin:end], "start": begin, "end": end, "score": score}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with one_at_a_time:
                reply = [answer(one) for one in asked] if isinstance(asked, list) else answer(asked)
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"}), flush=True)
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--electra", default="target/release/electra")
    parser.add_argument("--checkpoint")
    parser.add_argument("--data", help="questions: SQuAD's JSON")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peer", help="folder of a Hugging Face model")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python that has torch and transformers")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=200, help="questions in all")
    parser.add_argument("--list", type=int, default=1, help="questions a request")
    parser.add_argument("--peer-server", choices=["http", "fastapi"], default="http")
    parser.add_argument("--serve-peer", metavar="FOLDER", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve_peer:
        return {"http": peer, "fastapi": fastapi_peer}[args.peer_server](args.serve_peer)
    if not args.data:
        parser.error("--data is needed")
    asked = questions(args.data, args.requests)
    servers = []
    if args.checkpoint:
        command = [args.electra, "serve", "--port", "0", "--json", "--timeout", "3600", "--device", args.device,
                   "--checkpoint", args.checkpoint]
        servers.append(("electra", command, "/v1/answers" if args.list > 1 else "/api/answer"))
    if args.peer:
        command = [args.peer_python, __file__, "--serve-peer", args.peer, "--peer-server", args.peer_server]
        servers.append((f"transformers, {args.peer_server}", command, "/"))
    # One after the other, because they would compete for the cores.
    for name, command, path in servers:
        server, url = start(command)
        try:
            report(name, url, path, asked, args.list, args.clients)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
