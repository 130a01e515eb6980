# SPDX-License-Identifier: Apache-2.0
"""Clients at work while things break, and whether what they were told stayed true.

    with History(app) as h:      # workers sign up, and refresh a session each
        h.progress(50)           # 50 more answers
        ...break something...
        h.progress(50)
    h.check(app)                 # nothing acknowledged is lost, nothing is there twice

Without an answer, or with a 503, a request may have been done or not; everything else that
is not the expected answer is `wrong`.
"""

import collections
import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

from servers import wait_for

PASSWORD = "secret123"
NEW = {"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False,
       "useDynamicSigningKey": True}
CDI = ["5.4", "5.6"]  # the two ways of refreshing


class History:
    def __init__(self, app, workers=6, tag="w"):
        self.app, self.tag = app, tag  # the tag tells the users of two histories apart
        self.lock = threading.Lock()  # of what follows
        self.users = {}  # email: id, as acknowledged
        self.unsure = set()  # emails of sign-ups without an answer
        self.chains = {}  # worker: the last tokens it was given
        self.wrong = []  # what nothing explains
        self.seen = collections.Counter()  # ok, unavailable, lost, partial
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(n,)) for n in range(workers)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        for t in self.threads:
            t.join()

    def progress(self, n, timeout=20):
        """Waits for n more answers that are no refusals."""
        goal = self.seen["ok"] + n
        wait_for(lambda: self.seen["ok"] >= goal, timeout, f"{n} more requests are served")

    # ---- the workers

    def _count(self, what):
        with self.lock:
            self.seen[what] += 1

    def _ask(self, path, body, cdi="5.4"):
        """The JSON of a 200, None where nothing is known."""
        try:
            reply = self.app.post(path, body, cdi_version=cdi)
        except http.client.IncompleteRead:
            self._count("partial")
            return None
        except (OSError, http.client.HTTPException):
            self._count("lost")
            self.stop.wait(0.02)
            return None
        if reply.status == 200:
            self._count("ok")
            return reply.json
        if reply.status == 503:
            self._count("unavailable")
            self.stop.wait(0.02)
        else:
            self.wrong.append(f"{path}: {reply.status}: {reply.text}")
        return None

    def _sign_up(self, email):
        known = email in self.unsure
        told = self._ask("/recipe/signup", {"email": email, "password": PASSWORD})
        with self.lock:
            if told is None:
                self.unsure.add(email)
            elif told["status"] == "OK":
                self.users[email] = told["user"]["id"]
                self.unsure.discard(email)
            elif not known or told["status"] != "EMAIL_ALREADY_EXISTS_ERROR":
                self.wrong.append(f"sign-up of {email}: {told['status']}")

    def _refresh(self, n, cdi):
        tokens = self.chains.get(n)
        if tokens is None:
            told = self._ask("/recipe/session", {"userId": f"{self.tag}{n}", **NEW})
        else:
            told = self._ask("/recipe/session/refresh", {
                "refreshToken": tokens["refreshToken"]["token"], "enableAntiCsrf": False,
                "useDynamicSigningKey": True}, cdi)
        if told and told["status"] == "OK":
            self.chains[n] = told
        elif told:
            self.wrong.append(f"refresh of {self.tag}{n} at {cdi}: {told['status']}")
            self.stop.wait(0.1)

    def _work(self, n):
        k = 0
        while not self.stop.is_set():
            email = f"{self.tag}{n}-{k}@example.com"
            self._sign_up(email)
            if email in self.unsure and k % 2:
                self._sign_up(email)
            self._refresh(n, CDI[n % 2])
            k += 1

    # ---- the proof

    def check(self, app=None):
        app = app or self.app
        assert self.wrong == []
        assert self.users and self.chains
        listed = everyone(app)
        emails = [email for email, _ in listed]
        assert len(emails) == len(set(emails))
        assert app.get("/users/count").ok()["count"] == len(emails)
        assert self.users.keys() <= set(emails) <= self.users.keys() | self.unsure
        ids = dict(listed)

        def sign_in(email):
            user = app.post("/recipe/signin", {"email": email, "password": PASSWORD}).ok()["user"]
            assert user["id"] == ids[email] == self.users.get(email, user["id"])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sign_in, emails))
        for n in list(self.chains):
            self._refresh(n, CDI[n % 2])
        assert self.wrong == []


def everyone(app):
    """(email, id) of all users, page by page."""
    out, token = [], {}
    while True:
        page = app.get("/users", {"limit": 500, **token}).ok()
        out += [(u["emails"][0], u["id"]) for u in page["users"]]
        if "nextPaginationToken" not in page:
            return out
        token = {"paginationToken": page["nextPaginationToken"]}
