"""Redis behind Sentinels: the worker, the chat and the commands follow a failover."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as client
from redis.sentinel import SentinelConnectionPool

from devstack.valkey import Valkey
from events import InvalidRedisUrl, Publisher
from events.publishing import address
from tests.integration.line import Line, until
from tests.integration.roads import free_port
from tests.integration.test_ways import SECRET, Place
from tests.make import order

pytestmark = pytest.mark.slow

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir "{directory}"
sentinel monitor shop 127.0.0.1 {primary} 1
sentinel down-after-milliseconds shop 1000
sentinel failover-timeout shop 3000
sentinel auth-pass shop {secret}
requirepass {secret}2
"""


class SentinelServer(Valkey):
    """A Sentinel that decides alone."""

    def __init__(self, directory: Path, primary: Valkey) -> None:
        super().__init__(directory, free_port())
        self._primary = primary

    def prepare(self) -> None:
        """Write the configuration, which the Sentinel changes."""
        self.directory.mkdir(exist_ok=True)
        self.configuration.write_text(
            _CONFIGURATION.format(
                port=self.port, directory=self.directory, primary=self._primary.port, secret=SECRET
            )
        )

    def command(self) -> list[str]:
        """The server's, in another mode."""
        return [*super().command(), "--sentinel"]

    def answers(self) -> bool:
        """Whether it knows the primary and its replica."""
        try:
            with client.Redis(port=self.port, password=f"{SECRET}2") as connection:
                return bool(connection.sentinel_masters()["shop"]["num-slaves"] > 0)
        except client.RedisError:
            return False


class Service:
    """A primary, its replica and a Sentinel."""

    def __init__(self, directory: Path) -> None:
        self.servers = [Valkey(directory / name, free_port()) for name in ("first", "second")]
        for server in self.servers:
            server.start()
            with client.Redis(port=server.port) as connection:
                connection.config_set("masterauth", SECRET)
                connection.config_set("repl-diskless-sync-delay", 0)
                connection.config_set("requirepass", SECRET)
        with client.Redis(port=self.servers[1].port, password=SECRET) as replica:
            replica.replicaof("127.0.0.1", self.servers[0].port)
            until(lambda: replica.info("replication")["master_link_status"] == "up", 20)
        self.sentinel = SentinelServer(directory / "sentinel", self.servers[0])
        self.sentinel.start()

    def url(self, service: str = "shop", sentinel_password: str = f"{SECRET}2") -> str:
        """Return its URL, whose first Sentinel does not exist."""
        places = f"127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}"
        return f"sentinel://:{SECRET}@{places}/{service}/0?sentinel_password={sentinel_password}"

    def fail_over(self) -> None:
        """The first server is gone, and the second takes its place."""
        self.servers[0].kill()
        with client.Redis(port=self.servers[1].port, password=SECRET) as second:
            until(lambda: second.info("replication")["role"] == "master", 30)
        with client.Redis(port=self.sentinel.port, password=f"{SECRET}2") as sentinel:
            until(lambda: sentinel.sentinel_masters()["shop"]["port"] == self.servers[1].port, 30)

    def close(self) -> None:
        """Give them back."""
        for server in (self.sentinel, *self.servers):
            server.kill()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of its own."""
    made = Service(tmp_path)
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path, line: Line) -> Iterator[Place]:
    """Processes that go to it."""
    made = Place(tmp_path, line)
    yield made
    made.close()


@pytest.mark.slow
def test_worker_and_chat_follow_a_failover(
    service: Service, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker process persists what was published before it and after it; the commands find it too."""
    company_id, uuid = place.line.shop()
    monkeypatch.setenv("REDIS_URL", service.url())
    monkeypatch.setenv("BOTLIVE_QUEUE", place.line.name)
    with place.worker(service.url()) as worker, Publisher.from_env(within=10) as publisher:
        publisher.publish(order(company_id))
        until(lambda: len(place.line.rows([uuid]).orders) == 1, 20)
        service.fail_over()
        publisher.publish(order(company_id))
        until(lambda: len(place.line.rows([uuid]).orders) == 2, 30)
        worker.says("Redis back")
        assert worker.process.poll() is None
    told = place.command(service.url(), "failures")
    assert told.returncode == 0, told.stderr


@pytest.mark.slow
def test_what_sentinels_refuse_is_told(service: Service, place: Place) -> None:
    """A service that they do not know is waited for; a password that they refuse ends the worker."""
    with place.worker(service.url("another")) as worker:
        worker.says("Redis away", "no Sentinel knows a primary for the service")
        time.sleep(1)
        assert worker.process.poll() is None
    with place.worker(service.url(sentinel_password=f"{SECRET}3")) as worker:
        worker.ends("the Sentinels refuse the login")


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://one/",
        "sentinel://",
        "sentinel:///shop",
        "sentinel://one:x/shop",
        "sentinel://one/shop?unheard=of",
        "redis://host/0?unheard=of",
        "redis://host/0?ssl_cert_reqs=none",
        "rediss://host/0?ssl_cert_reqs=perhaps",
        "redis://.host/0",
        "redis://:" + SECRET + "#x@host",
        "http://host",
        "",
    ],
)
def test_what_is_no_url_of_a_redis(url: str) -> None:
    """It is refused before anything connects, and the message does not repeat it."""
    with pytest.raises(InvalidRedisUrl) as refused:
        address.client(url)
    assert SECRET not in str(refused.value)


def test_what_a_sentinels_url_says() -> None:
    """Places, service, database, login and TLS of Redis, and the login of the Sentinels."""
    made = address.client(
        "sentinels://u:p%40w@one,two:26380/shop/3?ssl_cert_reqs=none&sentinel_password=s", socket_timeout=7
    )
    pool = made.connection_pool
    known = pool.connection_kwargs
    assert isinstance(pool.connection_class(**known), client.SSLConnection)
    assert [known[name] for name in ("username", "password", "db", "socket_timeout")] == ["u", "p@w", 3, 7]
    assert isinstance(pool, SentinelConnectionPool)
    asked = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(kwargs["host"], kwargs["port"]) for kwargs in asked] == [("one", 26379), ("two", 26380)]
    assert {kwargs["password"] for kwargs in asked} == {"s"}
    assert {kwargs["ssl_cert_reqs"] for kwargs in asked} == {"none"}
