"""Leaks of the usual kinds, each beside something that is bounded; and programs that have none. Told by the first word.

For every line on standard input the program keeps as much again.
"""
import asyncio
import collections
import functools
import sys
import threading


class Entry(object):
    def __init__(self, number):
        self.number = number
        self.payload = bytearray(2000)


def entries(count):
    return [Entry(number) for number in range(count)]


def listed():
    """A list that nobody empties, beside a cache that is full."""
    global LEAK, CACHE
    LEAK, CACHE = [], collections.OrderedDict()

    def serve(number):
        CACHE[number] = Entry(number)
        if len(CACHE) > 300:
            CACHE.popitem(last=False)
        LEAK.append(Entry(number))

    numbers = iter(range(10 ** 9))
    return lambda: [serve(next(numbers)) for _ in range(4000)] and None


class Bus(object):
    def __init__(self):
        self.listeners = []


class Listener(object):
    def __init__(self):
        self.state = bytearray(2000)

    def on_event(self):
        pass


def listeners():
    """Bound methods that were subscribed and never taken away."""
    global BUS
    BUS = Bus()
    return lambda: BUS.listeners.extend(Listener().on_event for _ in range(4000))


class Report(object):
    def __init__(self):
        self.rows = bytearray(2000)

    @functools.lru_cache(maxsize=None)
    def total(self, year):
        return year


def cached():
    """A cache on a method keeps every instance."""
    return lambda: [Report().total(year) for year in range(4000)] and None


def closure():
    """A function that still needs one variable keeps it."""
    kept = []

    def handler():
        return kept

    global HANDLER
    HANDLER = handler
    return lambda: kept.extend(entries(4000))


def failing(rows):
    raise ValueError("no")


def traceback():
    """A kept exception keeps frames, and these what was local."""
    global ERRORS
    ERRORS = []

    def fail():
        rows = bytearray(20000)
        try:
            failing(rows)
        except ValueError as error:
            ERRORS.append(error)

    return lambda: [fail() for _ in range(400)] and None


def local():
    """Data of a thread that is not forgotten between requests."""
    global CONTEXT
    CONTEXT = threading.local()
    CONTEXT.history = []
    return lambda: CONTEXT.history.extend(entries(4000))


def tasks():
    """Tasks that are kept for their results, which nobody wants."""
    global TASKS, LOOP
    TASKS, LOOP = set(), asyncio.new_event_loop()

    async def work(entry):
        return entry

    async def begin():
        TASKS.update(asyncio.get_event_loop().create_task(work(Entry(number))) for number in range(4000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    return lambda: LOOP.run_until_complete(begin())


def awaited():
    """Tasks for which nobody waits, and which wait for something that does not come."""
    global WAITING, LOOP
    WAITING, LOOP = [], asyncio.new_event_loop()

    async def work(entry, forever):
        await forever
        return entry

    async def begin():
        loop = asyncio.get_event_loop()
        for number in range(4000):
            forever = loop.create_future()
            WAITING.append(forever)
            loop.create_task(work(Entry(number), forever))
        await asyncio.sleep(0)

    return lambda: LOOP.run_until_complete(begin())


def twice():
    """Held by two containers, neither of which keeps anything alone."""
    global BY_NUMBER, IN_ORDER
    BY_NUMBER, IN_ORDER = {}, collections.deque()

    def more():
        for entry in entries(4000):
            BY_NUMBER[len(BY_NUMBER)] = entry
            IN_ORDER.append(entry)

    return more


def chained():
    """A linked list of which the head is kept."""
    global HEAD
    HEAD = None

    def more():
        global HEAD
        for entry in entries(4000):
            entry.next, HEAD = HEAD, entry

    return more


def parts():
    """Ten lists in a dict, each of which is not much."""
    global PARTS
    PARTS = {"part %d" % number: [] for number in range(20)}
    return lambda: [part.extend(entries(200)) for part in PARTS.values()] and None


def single():
    """One large object, which grows."""
    global BLOB
    BLOB = bytearray()
    return lambda: BLOB.extend(bytearray(8000000))


def bounded():
    """A cache that is full already, and goes on to be used."""
    global RECENT
    RECENT = collections.deque(maxlen=300)
    return lambda: RECENT.extend(entries(1000))


def idle():
    return lambda: None


def imports():
    """Much of the library, and nothing kept."""
    import importlib
    for name in """
        argparse asyncio concurrent.futures csv ctypes dataclasses datetime decimal difflib doctest email.mime.text
        encodings.idna fractions gettext html.entities http.client http.server inspect json locale logging.config
        multiprocessing optparse pydoc socketserver sqlite3 ssl statistics tarfile tempfile typing unittest.mock
        urllib.request xml.dom.minidom xml.etree.ElementTree xmlrpc.server zipfile
    """.split():
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # older or smaller than most
    return lambda: None


def server():
    """Has served, and goes on."""
    import http.client
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    running = http.server.HTTPServer(("127.0.0.1", 0), Handler)

    def ask():
        connection = http.client.HTTPConnection(*running.server_address)
        connection.request("GET", "/")
        assert connection.getresponse().status == 204
        connection.close()

    def serve():
        client = threading.Thread(target=ask)
        client.start()
        running.handle_request()
        client.join()

    return lambda: [serve() for _ in range(20)] and None


def flask():
    import flask as library
    app = library.Flask("shop")
    app.add_url_rule("/<name>", "page", lambda name: library.render_template_string("{{ name }}", name=name))

    def ask():
        assert app.test_client().get("/one").status_code == 200

    return ask


def django():
    import io
    import django as library
    from django.conf import settings
    apps = ["admin", "auth", "contenttypes", "sessions", "messages", "staticfiles"]
    processors = ["template.context_processors.request", "contrib.auth.context_processors.auth",
                  "contrib.messages.context_processors.messages"]
    middleware = ["sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware",
                  "messages.middleware.MessageMiddleware"]
    settings.configure(
        DEBUG=True, SECRET_KEY="none", STATIC_URL="/static/", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib." + name for name in apps],
        MIDDLEWARE=["django.contrib." + name for name in middleware],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                    "OPTIONS": {"context_processors": ["django." + name for name in processors]}}])
    library.setup()
    from django.contrib import admin
    from django.core.management import call_command
    from django.test import Client
    from django.urls import path
    global urlpatterns
    urlpatterns = [path("admin/", admin.site.urls)]
    call_command("migrate", stdout=io.StringIO())

    def ask():
        assert Client().get("/admin/login/").status_code == 200

    return ask


def arrays():
    import numpy
    import pandas
    table = pandas.DataFrame({"a": numpy.arange(1000), "b": numpy.ones(1000)})
    return lambda: table.describe() is None


more = globals()[sys.argv[1]]()
more()
print("ready")
sys.stdout.flush()
for _ in sys.stdin:
    more()
    print("done")
    sys.stdout.flush()
