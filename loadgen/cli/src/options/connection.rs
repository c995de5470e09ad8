//! Options that say how connections are made and by how many threads.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use load_model::scenario::{Client, Group, Scenario};

use super::traffic::set;
use super::written;

/// What is read of a file with a secret, octets; a mistaken path is not read as a whole.
const SECRET_MAX: u64 = 4096;

/// Whom to load, and from where.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connections and threads")]
pub struct ConnectionOptions {
    /// Whom to load: amqp://[user:password@]host[:port] or amqps://...; may be given again, connections are spread over them
    /// [default: amqp://127.0.0.1:5672].
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// Where producers connect to, in place of --server: of the group that --group names, else of all groups; may be given again.
    #[arg(long, value_name = "URL")]
    producers_at: Vec<String>,
    /// The same for consumers: at another router of a network, say, than the producers.
    #[arg(long, value_name = "URL")]
    consumers_at: Vec<String>,
    /// User for SASL PLAIN [default: ANONYMOUS].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Password for SASL PLAIN; others on this machine can see it, unlike that of --password-file.
    #[arg(long, value_name = "TEXT", conflicts_with = "password_file")]
    password: Option<String>,
    /// File whose first line is the password for SASL PLAIN.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// PEM file of the authorities to trust for amqps [default: those of the system].
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<String>,
    /// Take any certificate.
    #[arg(long)]
    tls_insecure: bool,
    /// Links on each connection [default: 1].
    #[arg(long, value_name = "N")]
    links: Option<u32>,
    /// Connections that are closed and made anew each second [default: 0].
    #[arg(long, value_name = "N")]
    churn: Option<f64>,
    /// Make a broken connection again and go on; else it ends the run.
    #[arg(long)]
    reconnect: bool,
    /// Which client loads: our own, or fe2o3-amqp to cross-check it, which `heddle-load` has and `heddle load` has not [default: heddle].
    #[arg(long, value_name = "CLIENT", value_parser = written::client())]
    client: Option<Client>,
    /// Cores to load from, such as 1 or 2-3 [default: all that this process may use].
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Threads that load [default: one for each core].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl ConnectionOptions {
    /// Whether it was said whom to load.
    pub fn has_server(&self) -> bool {
        !self.servers.is_empty() || self.has_ends()
    }

    /// Whether it was said where producers or consumers are.
    pub fn has_ends(&self) -> bool {
        !self.producers_at.is_empty() || !self.consumers_at.is_empty()
    }

    /// Says of a group where its ends are.
    pub fn change_ends(&self, group: &mut Group) {
        for (to, given) in
            [(&mut group.producers_at, &self.producers_at), (&mut group.consumers_at, &self.consumers_at)]
        {
            if !given.is_empty() {
                to.clone_from(given);
            }
        }
    }

    /// Changes a scenario.
    ///
    /// # Errors
    /// When the password file cannot be read.
    pub fn change(&self, scenario: &mut Scenario) -> Result<(), String> {
        let connection = &mut scenario.connection;
        if !self.servers.is_empty() {
            scenario.servers.clone_from(&self.servers);
        }
        set(&mut connection.user, self.user.clone());
        if self.password.is_some() || self.password_file.is_some() {
            connection.password = secret(self.password.as_deref(), self.password_file.as_deref())?;
        }
        set(&mut connection.tls_ca, self.tls_ca.clone());
        connection.tls_insecure |= self.tls_insecure;
        set(&mut connection.links, self.links);
        set(&mut connection.churn, self.churn);
        connection.reconnect |= self.reconnect;
        set(&mut scenario.client, self.client);
        set(&mut scenario.cores, self.cores.clone());
        set(&mut scenario.threads, self.threads);
        Ok(())
    }
}

/// A secret that was given as it is, or as the first line of a file; empty when it was not given.
///
/// # Errors
/// When the file cannot be read.
pub fn secret(given: Option<&str>, file: Option<&Path>) -> Result<String, String> {
    match file {
        Some(path) => {
            first_line(path).map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))
        }
        None => Ok(given.unwrap_or_default().to_owned()),
    }
}

fn first_line(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(SECRET_MAX).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
