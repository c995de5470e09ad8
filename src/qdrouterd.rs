//! `heddle qdrouterd`, which is also what the program does when it is called by that name: the command line of qdrouterd, so that service
//! units and scripts go on working.
//!
//! Guarantees: each option of qdrouterd is done, has no effect there either or here, which is said, or is refused with what to do instead. No port is
//! opened that the file does not name, unless it is asked for.
//!
//! Not here: what a file says (`config::routed`), and running it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::Run;
use crate::config::{Endpoint, Options, Web};

/// What the program is called by whoever wants a router.
const NAME: &str = "qdrouterd";

/// Runs a router as qdrouterd is run: by its command line and its file.
#[derive(Parser)]
#[command(
    name = NAME,
    disable_version_flag = true,
    after_help = "Examples:\n  qdrouterd -c /etc/qpid-dispatch/qdrouterd.conf\n  heddle qdrouterd -c r.conf --users users"
)]
pub struct Qdrouterd {
    /// The router's file.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/qpid-dispatch/qdrouterd.conf")]
    config: PathBuf,
    /// Where qdrouterd has its Python modules: taken, and not needed.
    #[arg(short = 'I', long, value_name = "DIR")]
    include: Vec<PathBuf>,
    /// Go into the background: refused, a service manager does that.
    #[arg(short, long)]
    daemon: bool,
    /// File for the id of the process in the background.
    #[arg(short = 'P', long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// User to become in the background.
    #[arg(short = 'U', long, value_name = "USER")]
    user: Option<String>,
    /// Addresses for tests of qdrouterd: refused.
    #[arg(short = 'T', long)]
    test_hooks: bool,
    /// Print the version.
    #[arg(short, long)]
    version: bool,
    /// Users file, made by `heddle user add`, in place of the SASL library that qdrouterd asks.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Address or host name, and port, of state, health and metrics over HTTP: without it no port is opened but those of the file.
    #[arg(long, value_name = "ADDR")]
    http: Option<Endpoint>,
    /// File to write the real addresses to, as JSON, once the router serves.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Qdrouterd {
    /// The command line, if the program is called by the name of qdrouterd.
    ///
    /// # Errors
    /// When it is no command line of qdrouterd, or asks for help: with what is to be printed.
    pub fn of_name(arguments: &[OsString]) -> Option<Result<Self, clap::Error>> {
        let name = Path::new(arguments.first()?).file_name()?;
        let parse = || Self::from_arg_matches(&Self::command().try_get_matches_from(arguments)?);
        (name == NAME).then(parse)
    }

    /// What is to be run; nothing if the version is asked for, which is printed.
    ///
    /// # Errors
    /// When an option is given that is not done.
    pub fn run(self) -> Result<Option<Run>, String> {
        if self.version {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return Ok(None);
        }
        if self.daemon {
            let why = "-d: it does not go into the background by itself: leave -d, -P and -U out, and let a service manager run it (systemd: \
                       Type=simple and User=), or write & behind it";
            return Err(why.to_owned());
        }
        if self.test_hooks {
            return Err("-T: there are no addresses for tests: leave it out".to_owned());
        }
        let given = [("-P", self.pidfile.is_some()), ("-U", self.user.is_some())];
        for (option, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            eprintln!("warning: {option} has no effect without -d");
        }
        if !self.include.is_empty() {
            eprintln!("warning: -I has no effect: there are no Python modules");
        }
        let (router, web) = (Some(self.config), Web::IfAsked);
        let options = Options { router, users: self.users, http: self.http, web, ..Options::default() };
        Ok(Some(Run { options, ready_file: self.ready_file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        let of = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            Qdrouterd::of_name(&arguments).map(|parsed| parsed.map(|parsed| parsed.config))
        };
        assert!(of(&[]).is_none() && of(&["heddle", "-c", "x"]).is_none() && of(&["/opt/qdrouterd/heddle"]).is_none());
        for arguments in [&["/usr/sbin/qdrouterd", "-c", "x"][..], &["qdrouterd", "--config", "x", "-I", "d"]] {
            assert_eq!(of(arguments).expect("it is").expect("right"), Path::new("x"));
        }
        let preset = of(&["qdrouterd"]).expect("it is").expect("right");
        assert_eq!(preset, Path::new("/etc/qpid-dispatch/qdrouterd.conf"));
        assert!(of(&["qdrouterd", "extra"]).expect("it is").is_err());
    }
}
