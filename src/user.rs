//! `heddle user`: names and passwords of a users file.
//!
//! A password comes from the terminal, twice and unseen, or from the first line of standard input; never from an argument, which others see.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use load_model::shown;

use crate::users::{self, Users};

/// What to do with a users file. A broker reads it when it starts.
#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a user, or change a password; it is read from the terminal or standard input.
    #[command(after_help = "Example:\n  echo secret | heddle user add guest --file heddle-users")]
    Add {
        /// Name of the user, as clients give it to SASL PLAIN.
        name: String,
        /// The users file; made if it is not there.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Change the password of a user that there is; it is read from the terminal or standard input.
    #[command(after_help = "Example:\n  echo secret | heddle user passwd guest --file heddle-users")]
    Passwd {
        /// Name of the user, as clients give it to SASL PLAIN.
        name: String,
        /// The users file.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the names, one a line.
    #[command(after_help = "Example:\n  heddle user list --file heddle-users")]
    List {
        /// The users file.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove a user.
    #[command(after_help = "Example:\n  heddle user remove guest --file heddle-users")]
    Remove {
        /// Name of the user, as clients give it to SASL PLAIN.
        name: String,
        /// The users file.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

impl UserCommand {
    /// Does it.
    ///
    /// # Errors
    /// When the file cannot be read or written, or the name is not one that the command can take.
    pub fn execute(self) -> crate::Result<()> {
        match self {
            Self::Add { name, file } => {
                let is_known = file.exists() && has(&file, &name)?;
                users::add(&file, &name, &password(&name)?)?;
                tell(&name, if is_known { "has a new password in" } else { "is in" }, &file);
            }
            Self::Passwd { name, file } => {
                if !has(&file, &name)? {
                    return Err(missing(&name, &file).into());
                }
                users::add(&file, &name, &password(&name)?)?;
                tell(&name, "has a new password in", &file);
            }
            Self::List { file } => load(&file)?.names().for_each(|name| println!("{}", shown::name(name))),
            Self::Remove { name, file } => {
                if !has(&file, &name)? {
                    return Err(missing(&name, &file).into());
                }
                users::remove(&file, &name)?;
                tell(&name, "is no longer in", &file);
            }
        }
        Ok(())
    }
}

fn load(file: &Path) -> Result<Users, String> {
    Users::load(file).map_err(|error| format!("cannot read the users file {}: {error}", file.display()))
}

fn has(file: &Path, name: &str) -> Result<bool, String> {
    Ok(load(file)?.names().any(|known| known == name))
}

fn missing(name: &str, file: &Path) -> String {
    let (name, file) = (shown::name(name), file.display());
    format!("there is no user {name} in {file}: `heddle user list --file {file}` prints those that there are")
}

/// Says what was done, and when a broker will know.
fn tell(name: &str, what: &str, file: &Path) {
    println!(
        "{} {what} {}; a broker that runs knows of it when it is started again",
        shown::name(name),
        file.display()
    );
}

fn password(name: &str) -> crate::Result<String> {
    let mut password = String::new();
    if io::stdin().is_terminal() {
        password = rpassword::prompt_password(format!("Password for {}: ", shown::name(name)))?;
        if rpassword::prompt_password("The same again: ")? != password {
            return Err("the two passwords differ: nothing was changed".into());
        }
    } else {
        io::stdin().lock().read_line(&mut password)?;
    }
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("an empty password is none: write it to the standard input, or use a terminal".into());
    }
    Ok(password.to_owned())
}
