//! Levels of the log as management changes them while the program runs, by parts of a router in words of qdrouterd.
//!
//! Guarantee: what is set here holds for all lines from then on, until the program ends; the rest stays as `--log` says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use engine_router_conf::sections::Enable;
use engine_router_conf::words::{Level, Module, Word as _};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::recent::MODULES;

/// Levels that lines have here, in words of qdrouterd, from the least grave.
const LEVELS: [(Level, LevelFilter); 5] = [
    (Level::Trace, LevelFilter::TRACE),
    (Level::Debug, LevelFilter::DEBUG),
    (Level::Info, LevelFilter::INFO),
    (Level::Warning, LevelFilter::WARN),
    (Level::Error, LevelFilter::ERROR),
];

/// What the log lets through.
#[derive(Clone, Debug)]
pub struct Levels(Arc<Mutex<Set>>);

#[derive(Debug)]
struct Set {
    /// What `--log` says.
    base: String,
    by_module: BTreeMap<Module, Enable>,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// The filter of a log, which is changed by `Levels`.
pub type Filter = reload::Layer<EnvFilter, Registry>;

impl Levels {
    /// The levels of `--log`, and the filter that goes by them.
    ///
    /// # Errors
    /// When they are none.
    pub fn new(base: &str) -> Result<(Self, Filter), String> {
        let filter = EnvFilter::try_new(base).map_err(|error| format!("log.level {base:?}: {error}"))?;
        let (layer, filter) = reload::Layer::new(filter);
        let set = Set { base: base.to_owned(), by_module: BTreeMap::new(), filter };
        Ok((Self(Arc::new(Mutex::new(set))), layer))
    }

    /// What was set for a part.
    pub fn of(&self, module: Module) -> Option<Enable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_module.get(&module).copied()
    }

    /// Sets what a part logs; `Enable::Default` takes it back.
    ///
    /// # Errors
    /// When the log has no such filter, with the reason.
    pub fn set(&self, module: Module, enable: Enable) -> Result<(), String> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = set.by_module.clone();
        match enable {
            Enable::Default => next.remove(&module),
            Enable::Levels(_) => next.insert(module, enable),
        };
        let filter = directives(&set.base, &next)?;
        let filter = EnvFilter::try_new(&filter).map_err(|error| error.to_string())?;
        set.filter.reload(filter).map_err(|error| error.to_string())?;
        set.by_module = next;
        Ok(())
    }
}

/// The filter's text: what `--log` says, or what is set for all parts, and behind it what is set for single ones.
fn directives(base: &str, by_module: &BTreeMap<Module, Enable>) -> Result<String, String> {
    let mut text = match by_module.get(&Module::Default) {
        Some(enable) => least(*enable)?.to_string(),
        None => base.to_owned(),
    };
    for (module, enable) in by_module {
        // Other parts log nothing here.
        if let Some((target, _)) = MODULES.iter().find(|(_, name)| *name == module.word()) {
            text.push_str(&format!(",{target}={}", least(*enable)?));
        } else {
            least(*enable)?;
        }
    }
    Ok(text)
}

/// The level from which on lines are logged.
fn least(enable: Enable) -> Result<LevelFilter, String> {
    let Enable::Levels(levels) = enable else { return Ok(LevelFilter::OFF) };
    let logged = LEVELS.iter().skip_while(|(level, _)| !levels.has(*level));
    let (mut least, mut is_whole) = (LevelFilter::OFF, true);
    for (level, filter) in logged {
        least = least.max(*filter);
        is_whole &= levels.has(*level);
    }
    let why = "lines are logged from one level on here, and not of single levels: write it with +, as info+";
    if is_whole { Ok(least) } else { Err(why.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enable(text: &str) -> Enable {
        Enable::of_text(text).unwrap()
    }

    #[test]
    fn levels_are_those_from_one_on() {
        for (text, wanted) in [
            ("trace+", LevelFilter::TRACE),
            ("info+", LevelFilter::INFO),
            ("notice+", LevelFilter::WARN),
            ("error", LevelFilter::ERROR),
            ("critical+", LevelFilter::OFF),
            ("none", LevelFilter::OFF),
            ("warning,error,critical", LevelFilter::WARN),
        ] {
            assert_eq!(least(enable(text)), Ok(wanted), "{text}");
        }
        assert!(least(enable("info")).is_err() && least(enable("debug,error+")).is_err());
    }

    #[test]
    fn what_is_set_stands_behind_what_is_said_at_the_start() {
        let set = |all: &[(Module, &str)]| {
            directives("warn,heddle::net=error", &all.iter().map(|(module, text)| (*module, enable(text))).collect())
        };
        assert_eq!(set(&[]).as_deref(), Ok("warn,heddle::net=error"));
        let server = (Module::Server, "debug+");
        assert_eq!(set(&[server]).as_deref(), Ok("warn,heddle::net=error,heddle::net=debug"));
        assert_eq!(set(&[server, (Module::Default, "info+")]).as_deref(), Ok("info,heddle::net=debug"));
        assert_eq!(set(&[(Module::Policy, "trace+")]).as_deref(), Ok("warn,heddle::net=error"));
        let (levels, _filter) = Levels::new("info").unwrap();
        assert!(levels.set(Module::Server, enable("info")).is_err() && levels.of(Module::Server).is_none());
        levels.set(Module::Server, enable("trace+")).unwrap();
        assert_eq!(levels.of(Module::Server), Some(enable("trace+")));
        levels.set(Module::Server, Enable::Default).unwrap();
        assert_eq!(levels.of(Module::Server), None);
    }
}
