# SPDX-License-Identifier: Apache-2.0
"""Clients at work while things break, and whether what they were told stayed true.

    with History(app) as h:      # workers sign up, refresh a session each, remove users
        h.progress(50)           # 50 more answers
        ...break something...
        h.progress(50)
    h.check(app)                 # nothing acknowledged is lost, nothing is there twice

With several cores, History([app, app]) lets the workers ask one after the other.

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
KEPT = 200  # users of a worker: a history of an hour is checked in seconds as well


class History:
    def __init__(self, app, workers=6, tag="w"):
        self.apps = app if isinstance(app, list) else [app]
        self.app, self.tag = self.apps[0], tag  # the tag tells two histories' users apart
        self.lock = threading.Lock()  # of what follows
        self.users = {}  # email: id, as acknowledged
        self.unsure = set()  # emails of sign-ups without an answer
        self.leaving = set()  # emails of users whose removal had no answer
        self.removed = set()  # emails of users whose removal was acknowledged
        self.chains = {}  # worker: the last tokens it was given
        self.wrong = []  # what nothing explains
        self.seen = collections.Counter()  # ok, unavailable, lost, partial
        self.asked = 0
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
        with self.lock:
            self.asked += 1
            app = self.apps[self.asked % len(self.apps)]
        try:
            reply = app.post(path, body, cdi_version=cdi)
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

    def _remove(self, email):
        told = self._ask("/user/remove", {"userId": self.users[email]})
        with self.lock:
            del self.users[email]
            if told is None:
                self.leaving.add(email)
            elif told["status"] == "OK":
                self.removed.add(email)
            else:
                self.wrong.append(f"removal of {email}: {told['status']}")

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
            old = f"{self.tag}{n}-{k - KEPT}@example.com"
            for gone in (email if k % 5 == 4 else None, old):
                if gone in self.users:
                    self._remove(gone)
            self._refresh(n, CDI[n % 2])
            k += 1

    # ---- the proof

    def check(self, app=None):
        app = app or self.app
        assert self.wrong == [], self.wrong[:5]
        assert self.users and self.chains
        listed = everyone(app)
        emails = [email for email, _ in listed]
        # lib/ has no assertion rewriting: what is wrong is said here
        def nothing(left, what):
            assert not left, f"{what}: {sorted(left)}"
        nothing([e for e, n in collections.Counter(emails).items() if n > 1], "twice in the list")
        nothing(self.users.keys() - set(emails), "acknowledged and lost")
        nothing(set(emails) - self.users.keys() - self.unsure - self.leaving,
                "there and never acknowledged")
        nothing(self.removed & set(emails), "removed and still there")
        count = patient(lambda: app.get("/users/count"))["count"]
        assert count == len(emails), f"{count} counted, {len(emails)} listed"
        ids = dict(listed)

        def sign_in(email):
            user = patient(lambda: app.post("/recipe/signin", {
                "email": email, "password": PASSWORD}))["user"]
            assert user["id"] == ids[email] == self.users.get(email, user["id"]), email
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sign_in, emails))
        for n in list(self.chains):
            self._refresh(n, CDI[n % 2])
        assert self.wrong == [], self.wrong[:5]


def patient(ask):
    """The answer, once it is not that the database is busy."""
    replies = []
    wait_for(lambda: replies.append(ask()) or replies[-1].status != 503, 60, "an answer")
    return replies[-1].ok()


def everyone(app):
    """(email, id) of all users, page by page."""
    out, token = [], {}
    while True:
        page = patient(lambda: app.get("/users", {"limit": 100, **token}))
        out += [(u["emails"][0], u["id"]) for u in page["users"]]
        if "nextPaginationToken" not in page:
            return out
        token = {"paginationToken": page["nextPaginationToken"]}
