"""The few shapes of PromQL that the panels use, over declared metrics only."""

from gateway.telemetry.metric import Kind, Metric

WINDOW = "$__rate_interval"
"""Grafana's: long enough for four scrapes."""


def picked(metric: Metric, *variables: str, extra: str = "") -> str:
    """The matcher of the chosen values of variables, for labels that the metric has.

    Raises:
        ValueError: It has no such label.
    """
    for label in variables:
        if label not in metric.labels:
            raise ValueError(f"{metric.name} has no label {label}")
    matchers = [f'{label}=~"${label}"' for label in variables]
    if extra:
        matchers.append(extra)
    return "{" + ", ".join(matchers) + "}" if matchers else ""


def rate(metric: Metric, by: str, *variables: str, extra: str = "", window: str = WINDOW) -> str:
    """Per second, summed by labels; by none if `by` is empty."""
    inner = f"rate({metric.name}{picked(metric, *variables, extra=extra)}[{window}])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def total(metric: Metric, by: str, *variables: str, extra: str = "") -> str:
    """How much in the range that is shown."""
    return rate(metric, by, *variables, extra=extra, window="$__range") + " * $__range_s"


def quantile(share: float, metric: Metric, by: str, *variables: str) -> str:
    """A quantile of a histogram.

    Raises:
        ValueError: It is none.
    """
    if metric.kind is not Kind.HISTOGRAM:
        raise ValueError(f"{metric.name} is no histogram")
    labels = f"le, {by}" if by else "le"
    matcher = picked(metric, *variables)
    return (
        f"histogram_quantile({share}, "
        f"sum by ({labels}) (rate({metric.name}_bucket{matcher}[{WINDOW}])))"
    )


def mean(metric: Metric, by: str, *variables: str) -> str:
    """The mean of a histogram."""
    matcher = picked(metric, *variables)

    def part(suffix: str) -> str:
        inner = f"rate({metric.name}_{suffix}{matcher}[{WINDOW}])"
        return f"sum by ({by}) ({inner})" if by else f"sum({inner})"

    return f"{part('sum')} / {part('count')}"


def shared(metric: Metric, by: str, *variables: str, extra: str = "") -> str:
    """A gauge that every replica reports alike, from the store: the largest, not the sum."""
    return f"max by ({by}) ({metric.name}{picked(metric, *variables, extra=extra)})"


def added(metric: Metric, by: str = "", *variables: str) -> str:
    """A gauge of which every replica has its own part."""
    inner = f"{metric.name}{picked(metric, *variables)}"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"
