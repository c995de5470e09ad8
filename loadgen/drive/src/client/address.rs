//! The address of a server's URL, and who we are there.

use std::net::{SocketAddr, ToSocketAddrs};

use amqp_proto::Credentials;
use load_model::scenario::ConnectionSpec;
use load_model::server_url::ServerUrl;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Its name, as it was written: for TLS and `open`.
    pub host: String,
    /// Its first address.
    pub address: SocketAddr,
    /// Whether TLS comes first.
    pub is_tls: bool,
    /// Who we are.
    pub credentials: Credentials,
}

impl Server {
    /// Reads a URL and looks its name up. Credentials in it come before those of all connections.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn resolve(url: &str, spec: &ConnectionSpec) -> Result<Self, String> {
        let parts = ServerUrl::parse(url).map_err(|error| error.to_string())?;
        let address = look_up(&parts)?;
        let given = Some((spec.user.clone(), spec.password.clone())).filter(|(user, _)| !user.is_empty());
        let credentials = match parts.user.or(given) {
            Some((user, password)) => Credentials::Plain { user, password },
            None => Credentials::Anonymous,
        };
        Ok(Self { host: parts.host, address, is_tls: parts.is_tls, credentials })
    }
}

/// The first address of a server.
///
/// # Errors
/// When its name has none, for people; nothing of user and password is told.
pub fn look_up(url: &ServerUrl) -> Result<SocketAddr, String> {
    let shown = format!("{}:{}", url.host, url.port);
    let addresses = (url.host.as_str(), url.port).to_socket_addrs();
    let mut addresses = addresses.map_err(|error| format!("{shown} cannot be looked up: {error}"))?;
    addresses.next().ok_or_else(|| format!("{shown} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_url_come_first_and_are_not_told() {
        let spec =
            ConnectionSpec { user: "all".to_owned(), password: "secret".to_owned(), ..ConnectionSpec::default() };
        let plain = |user: &str| Credentials::Plain { user: user.to_owned(), password: "secret".to_owned() };
        let of = |url: &str, spec: &ConnectionSpec| Server::resolve(url, spec).expect("it is one").credentials;
        assert_eq!(of("amqp://127.0.0.1", &spec), plain("all"));
        assert_eq!(of("amqp://me:secret@127.0.0.1", &spec), plain("me"));
        assert_eq!(of("amqp://127.0.0.1", &ConnectionSpec::default()), Credentials::Anonymous);
        let error = Server::resolve("amqp://me:secret@h h", &spec).expect_err("no host");
        assert!(!error.contains("secret"), "{error}");
    }
}
