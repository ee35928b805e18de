"""From our values to Grafana's JSON, through its own foundation SDK."""

from itertools import count

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

from gateway.telemetry.declared import DECLARED

from .panels import Board, Levels, Look, Panel

PanelBuilder = timeseries.Panel | stat.Panel | bargauge.Panel | statetimeline.Panel | table.Panel
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="$datasource")
_NEUTRAL, _GOOD, _WARN, _BAD = "blue", "green", "orange", "red"
TAG = "agent-gateway"


def encoded(board: Board) -> str:
    """The JSON of a dashboard, as Grafana provisions it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(_built(board).build()) + "\n"


def _built(board: Board) -> dashboard.Dashboard:
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .editable()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .link(
            dashboard.DashboardLink("The other dashboards")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data").type("prometheus"))
    )
    for label in board.variables:
        built = built.with_variable(_variable(label))
    numbers = count(1)
    for row in board.rows:
        built = built.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            built = built.with_panel(_panel(panel, next(numbers)))
    return built


def _variable(label: str) -> dashboard.QueryVariable:
    metric = next(one.name for one in DECLARED if label in one.labels)
    return (
        dashboard.QueryVariable(label)
        .label(label.capitalize())
        .datasource(_SOURCE)
        .query(f"label_values({metric}, {label})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def _panel(panel: Panel, number: int) -> PanelBuilder:
    built = _looking(panel)
    built.id(number).title(panel.title).description(panel.description).unit(panel.unit.value)
    built.datasource(_SOURCE).span(panel.width).height(panel.height)
    built.thresholds(_thresholds(panel.levels))
    if panel.quiet:
        built.no_value("none")
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        target.ref_id(letter).datasource(_SOURCE)
        now_only = panel.look in {Look.TABLE, Look.BARS}
        built.with_target(target.instant() if now_only else target.range())
    return built


def _looking(panel: Panel) -> PanelBuilder:
    match panel.look:
        case Look.NUMBER:
            return stat.Panel().color_mode(options.BigValueColorMode.VALUE).reduce_options(_last())
        case Look.BARS:
            gauge = bargauge.Panel().orientation(options.VizOrientation.HORIZONTAL)
            gauge.display_mode(options.BarGaugeDisplayMode.GRADIENT)
            return gauge.reduce_options(_last())
        case Look.STATES:
            return statetimeline.Panel().merge_values(True).fill_opacity(80)
        case Look.TABLE:
            return table.Panel()
        case Look.LINES | Look.STACK:
            return _lines(panel)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _lines(panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(options.LegendDisplayMode.TABLE)
    legend.placement(options.LegendPlacement.BOTTOM).show_legend(True).calcs(["lastNotNull", "max"])
    drawn = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(40 if panel.look is Look.STACK else 8)
        .show_points(options.VisibilityMode.NEVER)
        .span_nulls(False)
        .axis_soft_min(0)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    )
    if panel.look is Look.STACK:
        drawn.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    if panel.levels is not None:
        style = common.GraphThresholdsStyleConfig()
        drawn.thresholds_style(style.mode(options.GraphTresholdsStyleMode.DASHED))
    return drawn


def _thresholds(levels: Levels | None) -> dashboard.ThresholdsConfig:
    if levels is None:
        steps = [model.Threshold(value=None, color=_NEUTRAL)]
    elif levels.low:
        steps = [
            model.Threshold(value=None, color=_BAD),
            model.Threshold(value=levels.act, color=_WARN),
            model.Threshold(value=levels.warn, color=_GOOD),
        ]
    else:
        steps = [
            model.Threshold(value=None, color=_GOOD),
            model.Threshold(value=levels.warn, color=_WARN),
            model.Threshold(value=levels.act, color=_BAD),
        ]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
