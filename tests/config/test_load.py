"""The file as a whole: what it means, and what every mistake is told as."""

import textwrap
from pathlib import Path

import pytest

from gateway.config import ConfigError, Listen, load, load_text
from gateway.config.settings import Settings
from gateway.domain.call import Dialect, Priority
from gateway.domain.limits import Budget, BudgetMode, LaneLimits
from gateway.domain.routes import RouteMode

PROVIDERS = 'providers: {claude: {dialect: anthropic, api_key: "none"}}\n'
ENVIRONMENT = {
    "GATEWAY_ADMIN_TOKEN": "admin-token-1",
    "ANTHROPIC_API_KEY": "ant-key",
    "OPENAI_API_KEY": "oai-key",
    "GEMINI_API_KEY": "gem-key",
    "REVIEWER_KEY": "reviewer-key-1",
}


def read(text: str, environment: dict[str, str] | None = None) -> Settings:
    return load_text(textwrap.dedent(text).encode(), environment or {}, folder=Path("/conf"))


def faults_of(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, environment)
    return [str(fault) for fault in caught.value.faults]


def test_every_part_of_a_file_arrives_in_its_type() -> None:
    settings = read(
        """
        listen: "[::1]:9000"
        minute: 6s
        state: {url: "redis://127.0.0.1:6379/0", dir: ./state}
        admin: {token: "${GATEWAY_ADMIN_TOKEN}"}
        providers:
          claude: {dialect: anthropic, api_key: "${ANTHROPIC_API_KEY}"}
          login: {dialect: anthropic, api_key: passthrough}
          local: {dialect: openai, base_url: "http://vllm:8000/v1/", api_key: none,
                  timeouts: {connect: 500ms}, tls_ca_file: ca.pem}
        lanes:
          sonnet: {provider: claude, models: claude-sonnet-*, limits: {rpm: 50, itpm: 80_000},
                   margin: 2%, floors: {background: 0.3}}
          local: {provider: local, models: ["*"], charges_max_output: false}
        teams:
          research: {budget: {usd_per_day: 0.25, mode: soft}}
        agents:
          reviewer: {team: research, key: "${REVIEWER_KEY}", priority: urgent, weight: 2}
          idle:
        queue: {max_wait: 2m, max_depth: 10, ageing: 1.5}
        server: {max_body: 32MiB, workers: 2}
        logging: {access_log: off, access_file: calls.jsonl, level: debug}
        routes:
          - {match: {model: "claude-*", agents: reviewer}, simple: gpt-4o-mini, mode: off}
        fallbacks: {sonnet: gpt-4o-mini}
        """,
        ENVIRONMENT,
    )
    topology = settings.topology
    assert settings.listen == Listen("::1", 9000)
    assert str(settings.listen) == "[::1]:9000"
    assert settings.minute_s == topology.minute_s == 6.0
    assert settings.state.url == "redis://127.0.0.1:6379/0"
    assert settings.state.dir == Path("/conf/state")
    assert settings.admin_token == "admin-token-1"
    assert settings.agent_keys == {"reviewer": "reviewer-key-1"}
    claude, login, local = (topology.providers[name] for name in ("claude", "login", "local"))
    assert (claude.dialect, claude.base_url) == (Dialect.ANTHROPIC, "https://api.anthropic.com")
    assert (claude.api_key, claude.passthrough) == ("ant-key", False)
    assert (login.api_key, login.passthrough) == (None, True)
    assert (local.api_key, local.base_url) == (None, "http://vllm:8000/v1")
    assert (local.timeouts.connect_s, local.tls_ca_file) == (0.5, "/conf/ca.pem")
    sonnet = topology.lanes["sonnet"]
    assert sonnet.models == ("claude-sonnet-*",)
    assert sonnet.limits == LaneLimits(rpm=50, itpm=80_000)
    assert (sonnet.margin, sonnet.floors[Priority.BACKGROUND]) == (0.02, 0.3)
    assert (sonnet.counts_cached_input, sonnet.charges_max_output) == (False, False)
    own = topology.lanes["local"]
    assert (own.counts_cached_input, own.charges_max_output) == (True, False)
    assert topology.teams["research"].budget == Budget(
        usd_per_day_micro=250_000, mode=BudgetMode.SOFT
    )
    reviewer = topology.agents["reviewer"]
    assert (reviewer.team, reviewer.priority, reviewer.weight) == ("research", Priority.URGENT, 2)
    assert topology.agents["idle"].budget == Budget()
    assert (topology.queue.max_wait_s, topology.queue.ageing_s) == (120.0, 1.5)
    assert (settings.server.max_body_bytes, settings.server.workers) == (32 * 2**20, 2)
    assert not settings.logging.access_log
    assert settings.logging.access_file == Path("/conf/calls.jsonl")
    assert settings.routes[0].mode is RouteMode.OFF
    assert settings.routes[0].match.agents == ("reviewer",)
    assert settings.routes[0].name == "route-1"
    assert settings.topology.fallbacks["sonnet"] == ("gpt-4o-mini",)


MISTAKES = [
    ("minut: 60s", "gateway.yaml:2:1: minut: unknown setting. Did you mean minute?"),
    ("frobnicate: 1", "frobnicate: unknown setting. Known here: listen, minute, state"),
    ("agents: {r: {budget: {tmp: 1}}}", "gateway.yaml:2:23: agents.r.budget.tmp: unknown setting. Did you mean tpm?"),
    ("agents: {r: {budget: {tpm: -5}}}", "gateway.yaml:2:28: agents.r.budget.tpm: a negative number makes no sense"),
    ("agents: {r: {budget: {tpm: 0}}}", "the value is too small: it must be at least 1"),
    ("agents: {r: {budget: {tpm: lots}}}", "'lots' is not a whole number. Write it like 80000."),
    ("agents: {r: {budget: {tpm: [1]}}}", "a single value is needed here, not a list"),
    ("agents: {r: {budget: 5}}", "a map is needed here, not a single value. Write it as a map of: rpm, tpm"),
    ("agents: [r]", "agents: a map is needed here, not a list. Write `AGENT: ...`."),
    ("agents: {r: {budget: {usd_per_day: -1}}}", "usd_per_day: a negative number"),
    ("agents: {r: {budget: {usd_per_day: 0.00000001}}}", "finer than a millionth of a dollar"),
    ("agents: {r: {budget: {mode: harsh}}}", "'harsh' is not one of hard, soft. Did you mean hard?"),
    ("agents: {r: {team: x}}", "agents.r.team: there is no team x. No teams are defined"),
    ("agents: {r: {weight: 0}}", "agents.r.weight: the value is too small"),
    ("agents: {r: {weight: .nan}}", "agents.r.weight: '.nan' is not a number"),
    ("agents: {r: {priority: high}}", "'high' is not one of urgent, normal, background"),
    ("agents: {r: {key: short}}", "agents.r.key: the secret must have 8 to 512 characters"),
    ("agents: {r: {key: 'with a space'}}", "agents.r.key: the secret is empty, or holds white space"),
    ("agents: {a: {key: same-key-1}, b: {key: same-key-1}}", "agents.b.key: agent a has the same key"),
    ("agents: {'a b': {}}", "agents: 'a b' cannot be a name"),
    ("agents: {r: {weight: 1, weight: 2}}", "gateway.yaml:2:25: agents.r.weight: weight is given twice, first in line 2"),
    ("lanes: {l: {provider: claud, models: '*'}}", "lanes.l.provider: there is no provider claud. Did you mean claude?"),
    ("lanes: {l: {models: '*'}}", "lanes.l.provider: provider is missing"),
    ("lanes: {l: {provider: claude}}", "lanes.l.models: models is missing"),
    ("lanes: {l: {provider: claude, models: []}}", "lanes.l.models: the list is empty"),
    ("lanes: {l: {provider: claude, models: [[a]]}}", "lanes.l.models[0]: a single value is needed, not a list"),
    ("lanes: {l: {provider: claude, models: {a: b}}}", "lanes.l.models: a list is needed here, not a map"),
    ("lanes: {l: {provider: claude, models: 'a b'}}", "'a b' is not a model pattern"),
    ("lanes: {l: {provider: claude, models: a}, m: {provider: claude, models: a}}", "lanes.m.models: a is in lane l already"),
    ("lanes: {l: {provider: claude, models: a, floors: {normal: 0.5}}}", "a lower priority must not have a lower floor"),
    ("lanes: {l: {provider: claude, models: a, margin: 60%}}", "lanes.l.margin: the value is too large"),
    ("lanes: {l: {provider: claude, models: a, charges_max_output: maybe}}", "'maybe' is neither true nor false"),
    ("listen: 127.0.0.1:99999", "gateway.yaml:2:9: listen: '127.0.0.1:99999' is not an address"),
    ("listen: :8080", "listen: the address has no host. Write 0.0.0.0:8080 for all interfaces."),
    ("queue: {max_wait: 2 parsecs}", "queue.max_wait: '2 parsecs' is not a duration"),
    ("minute: 0s", "minute: the value is too small: it must be at least 0.1 s"),
    ("server: {max_body: 3 apples}", "server.max_body: '3 apples' is not a size"),
    ("state: {url: 'http://x'}", "state.url: the URL must start with redis:// or rediss://"),
    ("state: {url: 'redis://h/db'}", "the path of a Redis URL is its database number"),
    ("state: {dir: '  '}", "state.dir: the path is empty"),
    ("routes: {a: b}", "routes: a list is needed here, not a map. Start each with `- `."),
    ("routes: [{match: {agents: [z]}, simple: m}]", "routes[0].match.agents: there is no agent z"),
    ("routes: [{simple: 'gpt-*'}]", "routes[0].simple: 'gpt-*' is not one model"),
    ("routes: [{}]", "routes[0].simple: simple is missing"),
    ("routes: [{simple: m}, {simple: m, name: route-1}]", "routes[1].name: there is a route route-1 already"),
    ("routes: [{simple: 'auto:x'}]", "routes[0].simple: auto:x is no model that a provider has"),
    ("routes: [{simple: m, can: [visio]}]", "routes[0].can[0]: 'visio' is no capability. Did you mean vision?"),
    ("routes: [{simple: m, match: {tags: team}}]", "routes[0].match.tags: 'team' is not a tag"),
    ("routes: [{simple: m, threshold: 2}]", "routes[0].threshold: the value is too large"),
    ("routes: [{simple: m, headers: [fast]}]", "routes[0].headers"),
    ("agents: {a: {route: {floor: 'claude-*'}}}", "agents.a.route.floor: 'claude-*' is not one model"),
    ("fallbacks: {nowhere: [m]}", "gateway.yaml:2:13: fallbacks.nowhere: there is no lane nowhere"),
    ("admin: {token: '${UNSET}'}", "gateway.yaml:2:16: admin.token: the environment variable UNSET is not set. Set it, or give a default: ${UNSET:-default}."),
    ("admin: {token: 'pay$me-now'}", "admin.token: a $ that starts neither ${NAME} nor ${NAME:-default}. Write $$ for a dollar sign."),
    ("? [a]\n: b", "a name must be plain text"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_is_told_once_with_place_field_and_remedy(text: str, expected: str) -> None:
    told = faults_of(PROVIDERS + text)
    assert len(told) == 1
    assert expected in told[0]
    assert told[0].startswith("gateway.yaml:2:")


PROVIDER_MISTAKES = [
    ("{p: {api_key: none}}", "providers.p.dialect: dialect is missing"),
    ("{p: {dialect: antropic}}", "'antropic' is not one of anthropic, openai, gemini. Did you mean anthropic?"),
    ("{p: {dialect: openai}}", "providers.p.api_key: api_key is missing, and the environment variable OPENAI_API_KEY is not set"),
    ("{p: {dialect: gemini, base_url: 'http://h'}}", "providers.p.api_key: api_key is missing. Write api_key:"),
    ("{p: {dialect: openai, base_url: 'http://h', api_key: none}}", "It usually ends in /v1"),
    ("{p: {dialect: gemini, base_url: 'ftp://h', api_key: none}}", "must start with http:// or https://"),
    ("{p: {dialect: gemini, base_url: 'http://u:p@h', api_key: none}}", "a credential inside the URL would be logged"),
    ("{p: {dialect: gemini, base_url: 'http://h?a=b', api_key: none}}", "no query and no fragment"),
    ("{p: {dialect: gemini, base_url: 'http://h:99999', api_key: none}}", "the URL cannot be understood"),
    ("{p: {dialect: gemini, base_url: 'http:///x', api_key: none}}", "the URL has no host"),
    ("{p: {dialect: gemini, base_url: 'http://localhost:8080', api_key: none}}", "calls would run in a circle"),
    ("{}", "no provider is configured"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PROVIDER_MISTAKES)
def test_a_mistake_in_a_provider_is_told(text: str, expected: str) -> None:
    told = faults_of(f"providers: {text}")
    assert len(told) == 1
    assert expected in told[0]


def test_all_mistakes_are_told_together_in_the_order_of_the_file() -> None:
    told = faults_of("minut: 1\nproviders:\n  p: {dialect: x}\nqueue: {max_depth: -1}\n")
    assert [line.split(": ")[1] for line in told] == [
        "minut",
        "providers.p.dialect",
        "queue.max_depth",
    ]


def test_a_variable_may_give_any_kind_of_value_and_its_content_is_not_told() -> None:
    text = PROVIDERS + 'agents: {r: {budget: {tpm: "${TPM}"}}}'
    assert read(text, {"TPM": "900"}).topology.agents["r"].budget.tpm == 900
    assert faults_of(text, {"TPM": "hunter2"}) == [
        "gateway.yaml:2:28: agents.r.budget.tpm: the value from ${TPM} is not a proper integer or "
        "`none`. Write it like 80000."
    ]


def test_an_empty_variable_means_left_out() -> None:
    text = PROVIDERS + 'admin: {token: "${TOKEN:-}"}'
    assert read(text).admin_token is None
    assert read(text, {"TOKEN": ""}).admin_token is None
    assert read(text, {"TOKEN": "token-12"}).admin_token == "token-12"


def test_no_secret_opens_two_doors() -> None:
    told = faults_of(
        """
        providers: {claude: {dialect: anthropic, api_key: one-secret}}
        agents: {a: {key: one-secret}, b: {key: two-secret}}
        admin: {token: two-secret}
        """
    )
    assert len(told) == 2
    assert "agents.a.key: this is the credential of provider claude" in told[0]
    assert "admin.token: this is the credential of agent b" in told[1]


def test_the_file_in_the_working_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(PROVIDERS + "state: {dir: var}\n")
    settings = load(None, {}, folder=tmp_path)
    assert settings.file == str(tmp_path / "gateway.yaml")
    assert settings.state.dir == tmp_path / "var"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the file cannot be read: No such file.*Check the path"):
        load(tmp_path / "nowhere.yaml", {"OPENAI_API_KEY": "k"})
    with pytest.raises(ConfigError, match=r"the file cannot be read: Is a directory"):
        load(tmp_path, {})
