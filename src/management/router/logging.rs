//! The log, as management tells of it: its last lines, how many there were, and what each part of the router logs, which can be changed.

use engine_management::{Answer, Status};
use engine_message::value::Value;
use engine_router_conf::schema::EntityType;
use engine_router_conf::sections::Enable;
use engine_router_conf::words::{Module, Word as _};
use engine_router_management::{Row, types};
use tracing::Level;

use super::window::Window;
use super::{RouterAgent, text};
use crate::log::Logged;

impl RouterAgent {
    /// The last lines of the log.
    pub(super) fn lines(&self, most: Option<usize>) -> Vec<Logged> {
        self.log.as_ref().map(|log| log.recent.lines(most)).unwrap_or_default()
    }

    /// Offers what each part logs: what the configuration says, or what was set since.
    pub(super) fn logs(&self, of: &'static EntityType, window: &mut Window<'_>) {
        for entity in self.configuration().entities(of) {
            window.offer(|| {
                let row = Row::of_entity(entity);
                let set = module(&row).and_then(|module| self.log.as_ref()?.levels.of(module));
                match set {
                    Some(enable) => row.with("enable", Value::String(enable.text())),
                    None => row,
                }
            });
        }
    }

    /// Sets what a part logs.
    pub(super) fn set_level(&self, row: &Row, enable: Enable) -> Result<(), Answer> {
        let (Some(module), Some(log)) = (module(row), &self.log) else {
            return Err(Answer::refused(Status::NotImplemented, "there is no log here"));
        };
        log.levels.set(module, enable).map_err(|why| Answer::refused(Status::NotImplemented, why))?;
        tracing::info!(target: "heddle::program", module = module.word(), enable = enable.text(), "management set a level of the log");
        Ok(())
    }

    /// Offers the numbers of lines of each part that logs.
    pub(super) fn log_stats(&self, window: &mut Window<'_>) {
        for module in Module::ALL {
            let lines = |level| self.log.as_ref().map_or(0, |log| log.recent.count(module.word(), level));
            let count = |level| Value::Int(i32::try_from(lines(level)).unwrap_or(i32::MAX));
            window.offer(|| {
                let identity = format!("{}/{}", types::LOG_STATS.short, module.word());
                Row::new(&types::LOG_STATS, &identity, &identity)
                    .with("traceCount", count(Level::TRACE))
                    .with("debugCount", count(Level::DEBUG))
                    .with("infoCount", count(Level::INFO))
                    .with("warningCount", count(Level::WARN))
                    .with("errorCount", count(Level::ERROR))
            });
        }
    }
}

/// The part that a row is of.
fn module(row: &Row) -> Option<Module> {
    Module::of_word(row.get("module")?.as_text()?)
}

/// Lines of the log: part, level, text, source, line in it, seconds since 1970.
pub(super) fn told(lines: &[Logged]) -> Value {
    let level = |level: Level| match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let line = |line: &Logged| {
        Value::List(vec![
            text(line.module),
            text(level(line.level)),
            text(&line.text),
            line.file.map_or(Value::Null, text),
            line.line.map_or(Value::Null, Value::Uint),
            Value::Ulong(line.at),
        ])
    };
    Value::List(lines.iter().map(line).collect())
}
