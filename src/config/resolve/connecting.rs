//! Peers to connect to: what of each goes together, and what it shows them. Names of hosts are not looked up: a peer
//! may come later.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use amqp_proto::Credentials;
use engine_catalogue::Area as _;
use load_model::number;
use node_shell::transport::{Identity, NameCheck, TlsClient};

use super::super::bounds::{CREDENTIALS_MAX, ENDPOINTS_MAX, PEM_MAX};
use super::super::endpoint::Endpoint;
use super::super::files;
use super::super::settings::{Connector, ConnectorMechanism, Password, Transport};
use super::{IDLE_MIN_MS, Resolving};

/// What a connector shows its peer, and whom it trusts.
#[derive(Clone, Default)]
pub struct ConnectTo {
    /// Whom TLS trusts, and what it shows.
    pub tls: Option<TlsClient>,
    /// What SASL shows; `None`: there is no SASL.
    pub credentials: Option<Credentials>,
}

/// What is wrong with a setting of a connector.
type Wrong = (&'static str, String);

impl Resolving<'_> {
    /// All connectors.
    pub(super) fn connectors(&mut self) -> Vec<ConnectTo> {
        let (mut names, passwords) = (HashSet::new(), &self.config.passwords);
        let connectors = self.config.connectors.iter().enumerate();
        connectors
            .map(|(index, connector)| {
                let mut wrong = endpoints(connector);
                if connector.name.is_empty() {
                    wrong.push(("name", "it has no name: write name = \"NAME\"".to_owned()));
                } else if !names.insert(connector.name.as_str()) {
                    let text = "another connector has this name already: choose one for each".to_owned();
                    wrong.push(("name", text));
                }
                wrong.extend(times(connector));
                wrong.extend(connector.congestion_control.wrong().map(|text| ("congestion_control", text)));
                let tls = tls(connector).unwrap_or_else(|faults| {
                    wrong.extend(faults);
                    None
                });
                let credentials = credentials(connector, passwords).unwrap_or_else(|fault| {
                    wrong.push(fault);
                    None
                });
                let called = called(connector, index);
                for (setting, text) in wrong {
                    self.fault_of((Connector::NAME, index), setting, &called, &text);
                }
                self.warn_of(connector, &called);
                ConnectTo { tls, credentials }
            })
            .collect()
    }

    /// What is allowed, and lets others in.
    fn warn_of(&mut self, connector: &Connector, called: &str) {
        if is_secure(connector) && !connector.verify_hostname {
            let text =
                "verify_hostname is false: whoever has a certificate of these authorities can stand in for the peer";
            self.warn_about(called, text);
        }
        let is_here = |endpoint: &Endpoint| endpoint.address().is_some_and(|ip| ip.to_canonical().is_loopback());
        let away =
            connector.endpoints.iter().find(|endpoint| !is_here(endpoint) && endpoint.name() != Some("localhost"));
        if let Some(away) = away
            && connector.sasl_username.is_some()
            && !is_secure(connector)
        {
            let text = "in clear: set transport to \"tls\" or \"wss\"";
            self.warn_about(called, &format!("the password crosses the network to {away} {text}"));
        }
    }
}

/// How a connector is called in faults.
fn called(connector: &Connector, index: usize) -> String {
    if connector.name.is_empty() { format!("connector {}", index + 1) } else { format!("connector {}", connector.name) }
}

fn is_secure(connector: &Connector) -> bool {
    matches!(connector.transport, Transport::Tls | Transport::Wss)
}

/// What is wrong with where the peer is.
fn endpoints(connector: &Connector) -> Vec<Wrong> {
    let endpoints = &connector.endpoints;
    let mut wrong = Vec::new();
    let mut add = |text: String| wrong.push(("endpoints", text));
    match endpoints.len() {
        0 => add("it has no endpoint: write endpoints = [\"HOST:PORT\"]".to_owned()),
        1..=ENDPOINTS_MAX => {}
        count => add(format!("it has {count} endpoints: {ENDPOINTS_MAX} are tried at most, leave some out")),
    }
    for endpoint in endpoints {
        if endpoint.port() == 0 {
            add(format!("{endpoint}: nobody listens on port 0; write the peer's, 5672 for AMQP and 5671 inside TLS"));
        }
        if endpoint.address().is_some_and(|ip| ip.is_unspecified()) {
            add(format!("{endpoint} is where to listen, and no host: write the peer's address or name"));
        }
    }
    wrong
}

/// What is wrong with times.
fn times(connector: &Connector) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let idle = connector.idle_timeout_ms;
    if (1..IDLE_MIN_MS).contains(&idle) {
        let text = format!("idle_timeout_ms is {idle}: it takes 0 for never, or at least {IDLE_MIN_MS} ms");
        wrong.push(("idle_timeout_ms", text));
    }
    let (min, max) = (connector.retry_min_ms, connector.retry_max_ms);
    if max < min {
        let (min, max) = (number::count(min.into()), number::count(max.into()));
        let text = format!("retry_max_ms is {max}: it takes at least retry_min_ms, which is {min}");
        wrong.push(("retry_max_ms", text));
    }
    wrong
}

/// Whom the peer's certificate has to be issued by, and what is shown to it.
fn tls(connector: &Connector) -> Result<Option<TlsClient>, Vec<Wrong>> {
    let Connector { ca, certificate, key, verify_hostname, .. } = connector;
    let given = [("ca", ca), ("certificate", certificate), ("key", key)];
    let given: Vec<(&'static str, &Path)> =
        given.into_iter().filter_map(|(setting, path)| Some((setting, path.as_deref()?))).collect();
    if !is_secure(connector) {
        let without = |setting: &'static str| {
            (setting, format!("{setting} is for TLS: set transport to \"tls\" or \"wss\", or leave it out"))
        };
        let name_check = (!verify_hostname).then_some("verify_hostname");
        let wrong: Vec<_> = given.into_iter().map(|(setting, _)| setting).chain(name_check).map(without).collect();
        return if wrong.is_empty() { Ok(None) } else { Err(wrong) };
    }
    let mut wrong = Vec::new();
    for (setting, path) in given {
        if let Err(text) = files::check_pem(setting, path) {
            wrong.push((setting, format!("{setting}: {text}")));
        }
    }
    if ca.is_none() {
        let text = "this transport needs ca: the file with the certificates, PEM, by one of which the peer's was issued \
                    (if it has issued it itself, that one)";
        wrong.push(("transport", text.to_owned()));
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let (there, missing) = if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            wrong.push((there, format!("{there} is set, and {missing} is not: they go together, so set both or none")));
            None
        }
    };
    let (Some(ca), true) = (ca, wrong.is_empty()) else { return Err(wrong) };
    let names = if *verify_hostname { NameCheck::Host } else { NameCheck::None };
    TlsClient::load(ca, identity, names).map(Some).map_err(|error| vec![("ca", error.to_string())])
}

/// What SASL shows; `None` without SASL.
fn credentials(connector: &Connector, passwords: &HashMap<String, Password>) -> Result<Option<Credentials>, Wrong> {
    let Connector { name, sasl_mechanism, sasl_username, sasl_password_file, sasl_password_env, .. } = connector;
    let told = passwords.get(name);
    let wrong = |setting: &'static str, text: &str| Err((setting, text.to_owned()));
    let mut given = [
        ("sasl_username", told.is_some()),
        ("sasl_password_file", sasl_password_file.is_some()),
        ("sasl_password_env", sasl_password_env.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name));
    let secret = given.next();
    if let (Some(first), Some(second)) = (secret, given.next()) {
        return wrong(second, &format!("{first} is set as well: leave one of them out"));
    }
    let given = sasl_username.as_ref().map(|_| "sasl_username").or(secret);
    let plain = sasl_mechanism.map_or(given.is_some(), |mechanism| mechanism == ConnectorMechanism::Plain);
    if !plain && let Some(given) = given {
        return wrong(
            given,
            "only PLAIN takes a name and a password: set sasl_mechanism to \"PLAIN\", or leave it out",
        );
    }
    match sasl_mechanism {
        Some(ConnectorMechanism::None) => Ok(None),
        Some(ConnectorMechanism::External) if !is_secure(connector) || connector.certificate.is_none() => wrong(
            "sasl_mechanism",
            "EXTERNAL is by a certificate in TLS: set transport to \"tls\" or \"wss\", certificate and key",
        ),
        Some(ConnectorMechanism::External) => Ok(Some(Credentials::External)),
        _ if !plain => Ok(Some(Credentials::Anonymous)),
        _ => {
            let Some(user) = sasl_username.clone() else {
                return wrong(secret.unwrap_or("sasl_mechanism"), "PLAIN needs a name: set sasl_username");
            };
            if user.is_empty() || user.contains('\0') {
                return wrong(
                    "sasl_username",
                    "sasl_username is empty or has a byte 0 in it: write the name that the peer knows",
                );
            }
            let password = match (told, sasl_password_file, sasl_password_env) {
                (Some(Password(password)), _, _) => password.clone(),
                (None, Some(path), _) => password_of_file(path).map_err(|text| ("sasl_password_file", text))?,
                (None, None, Some(name)) => {
                    password_of_environment(name).map_err(|text| ("sasl_password_env", text))?
                }
                (None, None, None) => {
                    return wrong(
                        "sasl_username",
                        "PLAIN needs a password: set sasl_password_file or sasl_password_env",
                    );
                }
            };
            let length = user.len() + password.len();
            if length > CREDENTIALS_MAX {
                let text = format!("name and password have {length} bytes together: they may have {CREDENTIALS_MAX}");
                return Err(("sasl_username", text));
            }
            Ok(Some(Credentials::Plain { user, password }))
        }
    }
}

/// The first line of a file. The password itself is not shown: faults end up in logs.
fn password_of_file(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, PEM_MAX).map_err(|wrong| format!("sasl_password_file: {wrong}"))?;
    let shown = path.display();
    let text = String::from_utf8(bytes).map_err(|_| format!("sasl_password_file: {shown} is no text"))?;
    let password = text.lines().next().unwrap_or_default();
    checked(password).map_err(|wrong| format!("sasl_password_file: the first line of {shown} {wrong}"))
}

fn password_of_environment(name: &str) -> Result<String, String> {
    let named = format!("sasl_password_env: the environment variable {name:?}");
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(format!("sasl_password_env: no environment variable can be called {name:?}"));
    }
    match std::env::var(name) {
        Ok(password) => checked(&password).map_err(|wrong| format!("{named} {wrong}")),
        Err(std::env::VarError::NotPresent) => Err(format!("{named} is not set: set it where the broker is started")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{named} is no text")),
    }
}

fn checked(password: &str) -> Result<String, String> {
    if password.is_empty() {
        return Err("is empty, and a password is needed".to_owned());
    }
    if password.contains('\0') { Err("has a byte 0 in it".to_owned()) } else { Ok(password.to_owned()) }
}
