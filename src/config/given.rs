//! What was typed in: a file and options of the command over the defaults, with where each value comes from.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use engine_catalogue::Area;
use engine_catalogue::setting::{Typed as _, Value};
use engine_router_conf::Configuration;

use super::agreed::agreed;
use super::document::{self, refusal};
use super::endpoint::Endpoint;
use super::fault::{Faults, Origin};
use super::managed;
use super::origins::Origins;
use super::routed;
use super::router::read_router;
use super::settings::{Config, Listener};

/// What makes up the name of a router that has none.
static CHANCE: OnceLock<u64> = OnceLock::new();

/// Options that say what to run with; they win over the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Configuration file; without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Configuration of a router, as qdrouterd has it: the node routes messages and keeps none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "data_dir"])]
    pub router: Option<PathBuf>,
    /// Where to keep data.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Users file, made by `heddle user add`: who may authenticate by name and password.
    #[arg(long, value_name = "FILE")]
    pub users: Option<PathBuf>,
    /// Cores to use: `all`, or a list such as `0,2-3`.
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// Number of shards, if not one for each core.
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,
    /// Address or host name, and port, to listen on, instead of the listeners of the file; may be given again.
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<Endpoint>,
    /// Address or host name, and port, of the read-only HTTP listener.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<Endpoint>,
    /// Log level, or levels by area.
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// When there is an HTTP listener.
    #[arg(skip)]
    pub web: Web,
}

/// When there is an HTTP listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Web {
    /// When the configuration does not say that there is none.
    #[default]
    AsConfigured,
    /// When an option asks for it.
    IfAsked,
}

/// Settings as they were typed in, none of which is wrong by itself.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The values.
    pub config: Config,
    /// Where they come from.
    pub origins: Origins,
    /// What is doubtful in a router's file.
    pub warnings: Vec<String>,
    /// What a router's file says, with the listeners that options say in place of its own.
    pub router: Option<Configuration>,
}

impl From<Config> for Given {
    fn from(config: Config) -> Self {
        Self { config, origins: Origins::default(), warnings: Vec::new(), router: None }
    }
}

impl Given {
    /// Reads the file, if there is one, and lays the options over it.
    ///
    /// # Errors
    /// Everything that is wrong with the file and the options by themselves.
    pub fn read(options: &Options) -> Result<Self, Faults> {
        let (given, faults) = Self::read_all(options);
        faults.or(given)
    }

    /// The same, with what is wrong beside what could be read.
    pub fn read_all(options: &Options) -> (Self, Faults) {
        let (mut given, mut faults) = (Self::default(), Faults::default());
        if let Some(path) = &options.config {
            document::read_file(path, &mut given.config, &mut given.origins, &mut faults);
        }
        let bare = match &options.router {
            Some(path) => {
                // Which mechanisms a listener has follows from whether there are users.
                given.config.users.file.clone_from(&options.users);
                given.read_router(path, &mut faults)
            }
            None => None,
        };
        given.lay_over(options, &mut faults);
        given.lay_listeners(options, bare, &mut faults);
        given.warn_of_nobody();
        (given, faults)
    }

    /// Puts what a router's file says in place of the defaults; gives what a listener has that the file does not have.
    fn read_router(&mut self, path: &Path, faults: &mut Faults) -> Option<Listener> {
        let reading = match read_router(path) {
            Ok(reading) => reading,
            Err(why) => {
                faults.add(Origin::Default, why);
                return None;
            }
        };
        self.warnings.extend(reading.warnings.iter().map(ToString::to_string));
        let configuration = match reading.configuration {
            Ok(configuration) => configuration,
            Err(wrong) => {
                let all = wrong
                    .iter()
                    .map(|fault| (routed::origin(&fault.place), format!("{}: {}", fault.wrong, fault.advice)));
                all.for_each(|(origin, text)| faults.add(origin, text));
                return None;
            }
        };
        // The same each time that the file is read: the node keeps its name.
        let chance = CHANCE.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        let made_up = routed::made_up(*chance);
        let cores = engine_rt::allowed_cores().len();
        let Self { config, origins, warnings, .. } = self;
        routed::lay(&configuration, (&made_up, cores), (config, origins), (faults, warnings));
        let bare = routed::bare(&configuration);
        self.router = Some(configuration);
        Some(bare)
    }

    /// Tells of a router that nobody can reach, and that reaches nobody.
    fn warn_of_nobody(&mut self) {
        if self.router.is_some() && self.config.listeners.is_empty() && self.config.connectors.is_empty() {
            let text = "the router's file has neither a listener nor a connector: nobody can connect to it (write a listener section, or give --listen ADDR)";
            self.warnings.push(text.to_owned());
        }
    }

    fn lay_over(&mut self, options: &Options, faults: &mut Faults) {
        let Self { config, origins, .. } = self;
        let mut laid = Laid { origins, faults };
        laid.put(&mut config.node, "data_dir", "--data-dir", options.data_dir.as_ref().map(|dir| dir.to_value()));
        laid.put(&mut config.users, "file", "--users", options.users.as_ref().map(|file| file.to_value()));
        laid.put(&mut config.node, "cores", "--cores", options.cores.as_ref().map(|cores| cores.to_value()));
        laid.put(&mut config.node, "shards", "--shards", options.shards.map(|shards| shards.to_value()));
        laid.put(&mut config.http, "address", "--http", options.http.as_ref().map(|http| http.to_value()));
        if options.web == Web::IfAsked && options.http.is_none() {
            laid.put(&mut config.http, "enabled", "qdrouterd", Some(false.to_value()));
        }
        laid.put(&mut config.log, "level", "--log", options.log.as_ref().map(|log| log.to_value()));
    }

    /// Puts listeners of options in place of the file's. Those of a router have what all listeners of its file have, or `bare` if that has
    /// none: TLS and bounds are the node's, and not to be lost with a port.
    fn lay_listeners(&mut self, options: &Options, bare: Option<Listener>, faults: &mut Faults) {
        if options.listen.is_empty() {
            return;
        }
        let Self { config, origins, .. } = self;
        let (is_routers, mut like) = (bare.is_some(), Listener::default());
        if let Some(bare) = bare {
            match agreed(&config.listeners) {
                Ok(agreed) => like = agreed.unwrap_or(bare),
                Err(why) => faults.add(Origin::Option("--listen"), why),
            }
        }
        let kept: Vec<_> = Listener::SETTINGS
            .iter()
            .map(|setting| (setting.name, origins.of(Listener::NAME, 0, setting.name)))
            .collect();
        let listener = |address: &Endpoint| Listener { address: address.clone(), ..like.clone() };
        config.listeners = options.listen.iter().map(listener).collect();
        origins.forget(Listener::NAME);
        for index in 0..config.listeners.len() {
            for (name, origin) in kept.iter().filter(|(_, origin)| is_routers && *origin != Origin::Default) {
                origins.note(Listener::NAME, index, name, origin.clone());
            }
            origins.note(Listener::NAME, index, "address", Origin::Option("--listen"));
            origins.note_area(Listener::NAME, index, Origin::Option("--listen"));
        }
        if let Some(router) = &mut self.router {
            router.listeners = managed::listeners(&self.config);
        }
    }
}

struct Laid<'a> {
    origins: &'a mut Origins,
    faults: &'a mut Faults,
}

impl Laid<'_> {
    fn put<A: Area>(&mut self, area: &mut A, name: &'static str, option: &'static str, value: Option<Value>) {
        let (Some(value), Some(setting)) = (value, A::SETTINGS.iter().find(|setting| setting.name == name)) else {
            return;
        };
        let shown = match &value {
            Value::Text(text) => format!("{text:?}"),
            Value::Whole(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        match setting.admit(&value).and_then(|()| area.put(name, value)) {
            Ok(()) => self.origins.note(A::NAME, 0, setting.name, Origin::Option(option)),
            Err(wrong) => {
                let text = refusal(&format!("{}.{name}", A::NAME), &shown, &wrong, setting);
                self.faults.add(Origin::Option(option), text);
            }
        }
    }
}
