//! Rows of connectors: what they are to be, and how far each has come.

use engine_management::Answer;
use engine_message::value::Value;
use engine_router_conf::schema::EntityType;
use node_shell::ConnectorView;

use super::window::Window;
use super::{RouterAgent, silent, text};

impl RouterAgent {
    /// Offers them.
    pub(super) fn connectors(&self, of: &'static EntityType, window: &mut Window<'_>) -> Result<(), Answer> {
        let begin = window.found();
        self.sections(of, window);
        let view = self.node.view().map_err(silent)?;
        let connectors: Vec<&ConnectorView> = view.shards.iter().flat_map(|shard| &shard.view.connectors).collect();
        for row in window.rows_from(begin) {
            let Some(name) = row.get("name").and_then(Value::as_text) else { continue };
            let Some(connector) = connectors.iter().find(|connector| connector.name == name) else { continue };
            row.set("connectionStatus", text(status(connector)));
            row.set("connectionMsg", connector.error.as_deref().map_or(Value::Null, text));
        }
        Ok(())
    }
}

/// How far a connector has come, in the words of qdrouterd.
fn status(connector: &ConnectorView) -> &'static str {
    match (connector.state, &connector.error) {
        ("open", _) => "SUCCESS",
        ("stopped", _) => "CLOSING",
        ("waiting", Some(_)) => "FAILED",
        ("waiting", None) => "INITIALIZING",
        _ => "CONNECTING",
    }
}
