//! `heddle load worker`: a process that loads for coordinators on other machines.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Args;
use load_drive::remote::Site;
use load_model::number;

use crate::exit::{CommandError, Exit};
use crate::program::Program;
use crate::{cores, options, terminal};

/// Options of `worker`.
#[derive(Args, Debug)]
pub struct WorkerCommand {
    /// Address to listen on; beyond this machine a token is needed.
    #[arg(long, value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// A secret that coordinators have to know; others on this machine can see it, unlike that of --token-file.
    #[arg(long, value_name = "TEXT", conflicts_with = "token_file")]
    token: Option<String>,
    /// File whose first line is that secret.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Cores to load from, such as 1 or 2-3 [default: all that this process may use].
    #[arg(long, value_name = "LIST", default_value = "")]
    cores: String,
    /// Threads that load [default: one for each core].
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
}

impl WorkerCommand {
    /// Serves until the process ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn execute(self, program: Program) -> Result<Exit, CommandError> {
        let token = options::secret(self.token.as_deref(), self.token_file.as_deref()).map_err(CommandError::usage)?;
        if token.is_empty() && !self.listen.ip().is_loopback() {
            return Err(CommandError::Usage(format!(
                "{} can be reached from other machines, which could then make load from here: give a --token-file, or listen on 127.0.0.1",
                self.listen
            )));
        }
        let cores = cores::of_list(&self.cores, &engine_rt::allowed_cores()).map_err(CommandError::usage)?;
        let threads = self.threads.unwrap_or_else(|| u32::try_from(cores.len()).unwrap_or(u32::MAX)).max(1);
        let failed = |error| CommandError::Failed(format!("cannot listen on {}: {error}", self.listen));
        let listener = TcpListener::bind(self.listen).map_err(failed)?;
        engine_rt::raise_open_files();
        let address = listener.local_addr().map_err(failed)?;
        say(&format!("listens on {address}, {}", number::counted(threads.into(), "thread")));
        let site = Site { token, cores, threads, now: engine_rt::monotonic_ns, start: program.start() };
        site.serve(&listener, say).map_err(failed)?;
        Ok(Exit::Fine)
    }
}

fn say(text: &str) {
    terminal::say(&format!("worker: {text}"));
}
