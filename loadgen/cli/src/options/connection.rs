//! Options that say how connections are made and by how many threads.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use load_model::scenario::{Client, Scenario};

use super::traffic::set;
use super::written;

/// Longest password file, octets; a mistaken path is not read as a whole.
const PASSWORD_MAX: u64 = 4096;

/// Whom to load, and from where.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connections and threads")]
pub struct ConnectionOptions {
    /// Whom to load: amqp://[user:password@]host[:port] or amqps://...; may be given again, connections are spread over them
    /// [default: amqp://127.0.0.1:5672].
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
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
    /// Which client loads: our own, or fe2o3-amqp to cross-check it [default: heddle].
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
        set(&mut connection.password, self.password.clone());
        if let Some(path) = &self.password_file {
            connection.password =
                first_line(path).map_err(|error| format!("cannot read the password in {}: {error}", path.display()))?;
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

fn first_line(path: &PathBuf) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(PASSWORD_MAX).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
