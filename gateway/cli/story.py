"""The story of one call, from its explanation as the admin API gives it."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .wording import dollars, limit_in_words, seconds, whole

Fields: TypeAlias = Mapping[str, Any]

_WORTH_TELLING_S = 0.1
_OUTCOMES = {
    "answered": "was answered",
    "refused": "was refused",
    "failed": "failed",
    "cut": "was cut off",
    "left": "was given up by its client",
}
_FAULTS = {
    "caller": "The caller's doing",
    "policy": "A limit that is set here",
    "gateway": "The gateway's fault",
    "provider": "The provider's doing",
}
_VERDICTS = {
    "ok": "",
    "caller_error": "the provider did not accept the request",
    "rate_limited": "the provider's rate limit was met",
    "billing": "the provider refuses for reasons of billing or a spend cap",
    "overloaded": "the provider is overloaded",
    "provider_error": "the provider failed",
    "auth": "the provider refused the gateway's credential",
    "upstream_connect": "no connection",
    "upstream_timeout": "no answer in time",
    "upstream_protocol": "the answer broke the HTTP protocol",
    "upstream_cut": "the connection was closed early",
}


def story(call: Fields) -> Iterator[str]:
    """Lines that tell what happened to a finished call."""
    yield (
        f"{call['request_id']} {_OUTCOMES[call['outcome']]} "
        f"({call['status']}) after {seconds(call['total_s'])}"
    )
    yield f"  {_who(call)}"
    yield f"  {call['at'][:19].replace('T', ' ')} UTC"
    yield ""
    yield from route_story(call)
    yield from _waits(call)
    yield from _moves(call)
    yield from _attempts(call)
    yield from _tokens(call)
    yield from _end(call)


def route_story(call: Fields) -> Iterator[str]:
    """What routing decided; nothing where no route matched."""
    route = call.get("route")
    if route is None:
        return
    would = "would have " if route["mode"] == "shadow" else ""
    moved = route["decision"] == "move"
    verb = f"{would}moved it to {route['chosen']}" if moved else f"stayed with {route['chosen']}"
    detail = f" ({route['detail']})" if route["detail"] else ""
    score = "" if route["score"] is None else f", simplicity {route['score']:.2f}"
    yield f"Route {route['policy']} {verb}: {route['reason']}{detail}{score}"
    if route["saved_microusd"]:
        saved = route["saved_microusd"]
        word = "saves" if saved > 0 else "costs"
        yield f"  which {word} {dollars(abs(saved))} against {route['asked']} with its cache"


def waiting_story(call: Fields) -> Iterator[str]:
    """Lines about a call that still waits, from the queue."""
    yield f"{call['request_id']} waits, by now for {seconds(call['waited_s'])}"
    yield f"  agent {call['agent']}, {call['priority']}, lane {call['lane']}"
    bound = call["bound"]
    why = "" if bound is None else " for " + limit_in_words(**bound)
    yield f"  place {call['position']}{why}; {seconds(call['eta_s'])} more are expected"


def _who(call: Fields) -> str:
    if not call["agent"]:
        return "nobody was recognised"
    parts = [f"agent {call['agent']}" + (f" (team {call['team']})" if call["team"] else "")]
    parts.append(call["priority"])
    if call["model"]:
        parts.append(call["model"] + (", streamed" if call["stream"] else ""))
    if call["lane"]:
        parts.append(f"lane {call['lane']} of {call['provider']}")
    return ", ".join(parts)


def _waits(call: Fields) -> Iterator[str]:
    held_s = call.get("held_s", 0.0)
    if held_s:
        behind = call["held_behind"]
        why = f"the answer to {behind} had to begin first" if behind else "others might begin alike"
        yield f"Held {seconds(held_s)} for the prompt cache: {why}"
    if not call["waits"]:
        if call["wait_s"] - held_s >= _WORTH_TELLING_S:
            yield f"Waited {seconds(call['wait_s'] - held_s)} for its provider to recover."
        elif call["lane"] and not held_s:
            yield "It did not have to wait."
        return
    yield f"Waited {seconds(call['wait_s'])} of {seconds(call['max_wait_s'])} at most:"
    for wait in call["waits"]:
        limit = limit_in_words(wait["scope"], wait["name"], wait["dimension"])
        yield f"  from {seconds(wait['from_s'])} on for {seconds(wait['for_s'])}: {limit}"
        yield f"    {_place(call, wait)}; {seconds(wait['predicted_s'])} were expected"


def _place(call: Fields, wait: Fields) -> str:
    ahead = [
        "an earlier call of its own" if name == call["agent"] else name for name in wait["ahead"]
    ]
    behind = f", behind {', '.join(ahead)}" if ahead else ", nobody ahead"
    return f"place {wait['position']}{behind}"


def _attempts(call: Fields) -> Iterator[str]:
    for number, attempt in enumerate(call["attempts"], 1):
        answer = str(attempt["status"]) if attempt["status"] else "no answer"
        code = f" ({attempt['code']})" if attempt["code"] else ""
        verdict = _VERDICTS.get(attempt["verdict"], attempt["verdict"])
        meaning = f": {verdict}{code}" if verdict else ""
        id_ = f", provider's id {attempt['request_id']}" if attempt["request_id"] else ""
        at = f" at lane {attempt['lane']}" if attempt["lane"] != call["lane"] else ""
        took = seconds(attempt["duration_s"])
        yield f"Attempt {number}{at}: {answer} after {took}{meaning}{id_}"


def _moves(call: Fields) -> Iterator[str]:
    for move in call["moves"]:
        did = "Left" if move["moved"] else "Stayed at"
        why = move["why"].replace("_", " ")
        figures = ""
        if move["wait_s"] or move["loss_microusd"]:
            figures = (
                f"; waiting {seconds(move['wait_s'])} is worth {dollars(move['wait_microusd'])}, "
                f"its prompt cache {dollars(move['loss_microusd'])}"
            )
        instead = "for" if move["moved"] else "instead of"
        yield (
            f"{did} lane {move['from_lane']} {instead} {move['to_lane']} ({move['to_model']}): "
            f"{why}{figures}"
        )


def _tokens(call: Fields) -> Iterator[str]:
    usage = call["usage"]
    if usage is None:
        return
    cached = usage["cache_read_tokens"] + usage["cache_write_tokens"]
    prompt = usage["input_tokens"] + cached
    if not (prompt or usage["output_tokens"]):
        return
    told = "" if usage["exact"] else " (our own count: the provider told none)"
    from_cache = (
        f", {whole(usage['cache_read_tokens'])} of it cached" if usage["cache_read_tokens"] else ""
    )
    yield (
        f"Input {whole(prompt)} tokens{from_cache} (estimated "
        f"{whole(call['estimated_input_tokens'])}), output {whole(usage['output_tokens'])} "
        f"(estimated {whole(call['estimated_output_tokens'])}){told}"
    )
    price = "" if call["priced"] else " (no known price: a default)"
    yield f"Cost {dollars(call['cost_microusd'])}{price}"


def _end(call: Fields) -> Iterator[str]:
    if not call["fault"]:
        return
    yield ""
    reason = f" ({call['reason']})" if call["reason"] else ""
    if call["outcome"] == "left":
        yield "The client went away before its answer was whole."
    else:
        message = f": {call['message']}" if call["message"] else ": its answer was passed on."
        yield f"{_FAULTS[call['fault']]}{reason}{message}"
    if call["retry_after_s"] is not None:
        yield f"It was told to come back after {seconds(call['retry_after_s'])}."
