"""Against a running server: SOFTREC_URL names it. Run by the Go test that starts one (cmd/softrec/app)."""

import datetime
import http.server
import json
import os
import threading
import time
import unittest

from softrec import Client, Event, Item, SoftrecError, Unreachable

URL = os.environ.get("SOFTREC_URL", "")


@unittest.skipUnless(URL, "SOFTREC_URL names no server")
class RealServer(unittest.TestCase):
    def setUp(self):
        self.softrec = Client(URL)
        self.addCleanup(self.softrec.close)

    def eventually(self, holds):
        deadline = time.monotonic() + 20
        while not holds():
            self.assertLess(time.monotonic(), deadline, "it did not become true")
            time.sleep(0.01)

    def test_the_road_of_a_click(self):
        for i in range(3):
            self.softrec.put_item(Item(id=f"py{i}", title=f"Thing {i}", categories=["things"], attributes={"price": 2.5}))
        self.eventually(lambda: self.softrec.items("thing")[1] >= 3)
        self.assertEqual(self.softrec.item("py0").title, "Thing 0")
        when = datetime.datetime.now(datetime.timezone.utc)
        taken = self.softrec.send([Event("ann py", "py0", timestamp=when, type="purchase", value=2), Event("ann py", "py1")])
        self.assertEqual((taken.accepted, taken.rejected), (2, []))
        self.eventually(lambda: len(self.softrec.user("ann py").entries) == 2)
        self.assertEqual({e.item_id for e in self.softrec.user("ann py").entries}, {"py0", "py1"})
        answer = self.softrec.recommend("ann py", n=2, filter_seen=True, explain=True, category=["things"])
        self.assertEqual([i.id for i in answer.items], ["py2"])
        self.assertTrue(answer.recommendation_id)
        self.assertEqual([i.id for i in self.softrec.recommend("ann py", exclude=["py0", "py1"], category="things").items], ["py2"])
        for other in (self.softrec.similar("py0", n=1), self.softrec.popular(n=1), self.softrec.session(["py0"], n=1)):
            self.assertLessEqual(len(other.items), 1)
        self.softrec.patch_item("py2", {"title": "Other"})
        self.eventually(lambda: self.softrec.item("py2").title == "Other")
        self.softrec.withdraw_item("py2")
        self.eventually(lambda: not self.softrec.recommend("ann py", filter_seen=True, category=["things"]).items)
        self.softrec.forget_user("ann py")
        self.eventually(lambda: not self.softrec.user("ann py").entries)
        self.eventually(lambda: self.softrec.user_deletion("ann py").complete)
        self.eventually(lambda: self.softrec.item_deletion("py2").complete)
        user, item = self.softrec.user_deletion("ann py"), self.softrec.item_deletion("py2")
        self.assertEqual((user.user_id, user.item_id, user.by, item.item_id, item.user_id), ("ann py", "", "api", "py2", ""))
        self.assertIn("window", user.parts)
        self.assertIn("window", item.kept)
        with self.assertRaises(SoftrecError) as caught:
            self.softrec.user_deletion("nobody")
        self.assertEqual(caught.exception.status, 404)

    def test_errors_name_the_field(self):
        with self.assertRaises(SoftrecError) as caught:
            self.softrec.send(Event(user_id="", item_id="x"))
        self.assertEqual(caught.exception.status, 422)
        self.assertIn("user_id", str(caught.exception))
        with self.assertRaises(SoftrecError) as caught:
            self.softrec.item("nobody wrote this")
        self.assertEqual(caught.exception.status, 404)

    def test_an_event_sent_twice_counts_once(self):
        e = Event("twice", "a", event_id="same")
        self.softrec.send(e)
        self.eventually(lambda: len(self.softrec.user("twice").entries) == 1)
        self.assertEqual(self.softrec.send(e).duplicates, 1)

    def test_what_an_operator_asks(self):
        report = self.softrec.attribution()
        self.assertEqual(report.experiment, [])
        self.assertEqual([a for a in report.arms if a.ctr.of != a.answers], [])
        self.assertLessEqual(len(self.softrec.dead_letters(limit=1)), 1)
        for call in (lambda: self.softrec.rollback("no such version"), lambda: self.softrec.replay_dead_letter(0, 1 << 40)):
            with self.assertRaises(SoftrecError) as caught:
                call()
            self.assertIn(caught.exception.status, (404, 409))


class Operating(unittest.TestCase):
    def test_the_documents_are_read(self):
        asked = []
        answers = {
            "/v1/attribution": {
                "experiment": [{"name": "control", "share": 0.5, "model": "live", "ranking": "model", "shadow": False, "answers_with": "v2"}],
                "arms": [{"arm": "control", "model_version": "v2", "answers": 4, "clicked": 1, "ctr": {"rate": 0.25, "high": 0.7, "of": 4}, "newer": 1}],
                "sources": [{"arm": "control", "model_version": "v2", "source": "model", "shown": 40, "ctr": {"rate": 0.1, "of": 40}}]},
            "/v1/models/rollback": {"before": "v2", "live": "v1"},
            "/v1/deadletters?limit=3": {"letters": [{"partition": 1, "offset": 7, "at": "2026-11-29T12:00:00Z", "reason": "no JSON", "topic": "t", "value": "AP8=",
                                                     "key": None, "value_bytes": 2, "replayable": True}]},
            "/v1/deadletters/replay": {"partition": 1, "offset": 7, "topic": "t"},
        }

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked.append((self.command, self.path, json.loads(sent) if sent else None))
                body = json.dumps(answers[self.path]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        with Client(f"http://127.0.0.1:{server.server_port}", tries=1) as softrec:
            report = softrec.attribution()
            self.assertEqual((report.experiment[0].answers_with, report.arms[0].ctr.high, report.sources[0].ctr.of), ("v2", 0.7, 40))
            self.assertEqual(softrec.rollback("v2").live, "v1")
            letter = softrec.dead_letters(limit=3)[0]
            self.assertEqual((letter.value, letter.key, letter.replayable), (b"\x00\xff", b"", True))
            self.assertEqual(softrec.replay_dead_letter(letter.partition, letter.offset), "t")
        self.assertEqual(asked[1], ("POST", "/v1/models/rollback", {"from": "v2"}))
        self.assertEqual(asked[3], ("POST", "/v1/deadletters/replay", {"partition": 1, "offset": 7}))


class Retries(unittest.TestCase):
    def serve(self, answers):
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                seen.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers = answers[min(len(seen), len(answers)) - 1]
                body = b'{"accepted":1,"duplicates":0,"rejected":[]}' if status < 400 else b'{"title":"no","detail":"busy"}'
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}", seen

    def test_busy_is_tried_again_with_the_same_event(self):
        url, seen = self.serve([(503, {}), (429, {"Retry-After": "0"}), (202, {})])
        with Client(url, first_gap=0.001) as softrec:
            self.assertEqual(softrec.send(Event("u", "i")).accepted, 1)
        self.assertEqual(len(seen), 3)
        self.assertEqual(len(set(seen)), 1)

    def test_a_fault_of_ours_is_not_tried_again(self):
        url, seen = self.serve([(422, {})])
        with Client(url, first_gap=0.001) as softrec, self.assertRaises(SoftrecError):
            softrec.send(Event("u", "i"))
        self.assertEqual(len(seen), 1)

    def test_nobody_there(self):
        url, _ = self.serve([(202, {})])
        with Client("http://127.0.0.1:9", first_gap=0.001) as softrec, self.assertRaises(Unreachable):
            softrec.recommend("u")
        with self.assertRaises(ValueError):
            Client("localhost")


if __name__ == "__main__":
    unittest.main()
