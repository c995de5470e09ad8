//! What is told of a connector.

use engine_figures::{Figure, Figures, Fill, Label, Unit, Value};

use super::config::Endpoint;
use super::connector::{Fault, State};
use super::list::Connecting;

/// A connector, as it is now.
#[derive(Clone, Debug)]
pub struct ConnectorView {
    /// Its name.
    pub name: String,
    /// `waiting` between two tries, `resolving` a name, `connecting`, in the `handshake`, `open`, or `stopped` with the
    /// node.
    pub state: &'static str,
    /// The endpoint that it is connected to, or tried last.
    pub endpoint: String,
    /// What the peer calls itself, while it is open.
    pub container: Option<String>,
    /// Where and why it failed last, while it is not open.
    pub error: Option<String>,
    /// How long it has been open, or not been, milliseconds.
    pub since_ms: u64,
    /// Addresses that were tried, and names that could not be looked up, since the start.
    pub attempts: u64,
    /// Times that it was open since the start.
    pub opens: u64,
}

impl ConnectorView {
    /// What there is of a connector.
    pub(crate) fn of(connecting: &Connecting, container: Option<String>, now_ns: u64) -> Self {
        let machine = &connecting.machine;
        Self {
            name: connecting.config.name.clone(),
            state: word(machine.state()),
            endpoint: machine.endpoint().map(Endpoint::to_string).unwrap_or_default(),
            container,
            error: machine.fault().map(|Fault { at, error }| format!("{at}: {error}")),
            since_ms: now_ns.saturating_sub(machine.changed_ns()) / 1_000_000,
            attempts: machine.tally().attempts,
            opens: machine.tally().opens,
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Waiting { .. } => "waiting",
        State::Resolving { .. } => "resolving",
        State::Connecting { .. } => "connecting",
        State::Handshake { .. } => "handshake",
        State::Open { .. } => "open",
        State::Stopped => "stopped",
    }
}

/// Text, where there is some.
fn some(text: Option<&String>) -> Value<'_> {
    text.map_or(Value::Absent, |text| Value::Text(text))
}

type ConnectorLabel = Label<ConnectorView>;
type ConnectorFigure = Figure<ConnectorView>;

/// What is told of a connector.
pub const CONNECTOR_FIGURES: Figures<ConnectorView> = Figures {
    thing: "connector",
    labels: &[
        ConnectorLabel::new("name", |connector| Value::Text(&connector.name))
            .labelled("connector")
            .column("connector", Fill::Name),
        ConnectorLabel::new("state", |connector| Value::Text(connector.state)).unlabelled().column("state", Fill::Word),
        ConnectorLabel::new("endpoint", |connector| Value::Text(&connector.endpoint))
            .unlabelled()
            .column("endpoint", Fill::Name),
        ConnectorLabel::new("container", |connector| some(connector.container.as_ref()))
            .unlabelled()
            .column("container", Fill::Name),
        ConnectorLabel::new("error", |connector| some(connector.error.as_ref()))
            .unlabelled()
            .column("error", Fill::Name),
    ],
    figures: &[
        ConnectorFigure::gauge("open", "Whether a connector's connection is open.", Unit::Flag, |connector| {
            Value::Flag(connector.state == "open")
        })
        .metric("heddle_connector_open"),
        ConnectorFigure::gauge(
            "since_ms",
            "Time since a connector's connection was opened, or ended.",
            Unit::Milliseconds,
            |connector| Value::Count(connector.since_ms),
        )
        .metric("heddle_connector_since_seconds")
        .column("since"),
        ConnectorFigure::counter(
            "attempts",
            "Addresses that a connector tried, and names that it could not look up.",
            Unit::Count,
            |connector| Value::Count(connector.attempts),
        )
        .metric("heddle_connector_attempts_total")
        .column("attempts"),
        ConnectorFigure::counter(
            "opens",
            "Times that a connector's connection was opened.",
            Unit::Count,
            |connector| Value::Count(connector.opens),
        )
        .metric("heddle_connector_opens_total"),
    ],
};
