//! Words of faults and warnings: what a setting is called in the file that its user has written.
//!
//! Guarantee: what is told of a router's file names attributes of that (`engine_router_conf`), also where one thing is checked for both kinds
//! of files.

/// Whose words its user knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// Those of Heddle's own file.
    #[default]
    Own,
    /// Those of qdrouterd's.
    Router,
}

/// What the one file says, and the other. What is longer comes before what is part of it.
const OF_ROUTERS: &[(&str, &str)] = &[
    ("auto_links ", "autoLink "),
    ("link_routes ", "linkRoute "),
    ("set sasl_password_file or sasl_password_env", "write saslPassword: file:PATH or env:NAME"),
    ("sasl_password_file: ", "saslPassword: "),
    ("sasl_password_env: ", "saslPassword: "),
    ("set sasl_username", "write saslUsername"),
    ("sasl_username", "saslUsername"),
    ("set sasl_mechanism to \"PLAIN\"", "write saslMechanisms: PLAIN"),
    (
        "set transport to \"tls\" or \"wss\", certificate and key",
        "name an sslProfile, with certFile and privateKeyFile",
    ),
    ("set transport to \"tls\" or \"wss\"", "name an sslProfile"),
    ("this transport needs ca: ", "its sslProfile needs caCertFile: "),
    (
        "this transport needs a certificate and a key: set certificate and key, or choose tcp or ws",
        "its sslProfile has to have a certificate: write certFile and privateKeyFile",
    ),
    ("certificate: ", "certFile: "),
    ("key: ", "privateKeyFile: "),
    ("ca: ", "caCertFile: "),
    ("certificate is set, and key is not", "certFile is set, and privateKeyFile is not"),
    ("key is set, and certificate is not", "privateKeyFile is set, and certFile is not"),
    ("verify_hostname is false", "verifyHostname is no"),
    ("or set sasl = \"none\"", "or write authenticatePeer: no"),
    ("idle_timeout_ms", "idleTimeoutSeconds, in ms,"),
    ("give it role = \"route-container\"", "write role: route-container"),
    ("give it role = \"inter-router\"", "write role: inter-router"),
    ("set router.mode = \"edge\"", "write mode: edge in the router section"),
    ("which have router.mode = \"interior\"", "whose mode is interior"),
    ("router.hello_age_ms", "helloMaxAgeSeconds, in ms,"),
    ("router.hello_ms", "helloIntervalSeconds, in ms,"),
    ("router.link_state_age_ms", "remoteLsMaxAgeSeconds, in ms,"),
    ("router.advertise_ms", "raIntervalSeconds, in ms,"),
    ("router.advertise_flux_ms", "raIntervalFluxSeconds, in ms,"),
    ("set node.container_id", "write another id"),
    (
        "write connection = \"NAME\" (of a connector or listener) or container = \"ID\"",
        "write connection: NAME (of a connector or listener) or containerId: ID",
    ),
    ("write address = \"NAME\"", "write address: NAME"),
    ("PLAIN needs users.file", "PLAIN needs --users FILE"),
    ("users.file", "--users"),
];

impl Words {
    /// What is told, in these words.
    pub fn say(self, text: String) -> String {
        match self {
            Self::Own => text,
            Self::Router => OF_ROUTERS.iter().fold(text, |text, (own, theirs)| reworded(text, own, theirs)),
        }
    }
}

/// The text with other words, where they stand by themselves.
fn reworded(text: String, own: &str, theirs: &str) -> String {
    let mut said = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(own) {
        let (before, found) = rest.split_at(at);
        let is_word = !before.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | '.' | '/' | '-'));
        said.push_str(before);
        said.push_str(if is_word { theirs } else { own });
        rest = found.split_at(own.len()).1;
    }
    if said.is_empty() {
        return text;
    }
    said.push_str(rest);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_file_and_stand_by_themselves() {
        let text = "connector c: PLAIN needs a password: set sasl_password_file or sasl_password_env".to_owned();
        assert_eq!(Words::Own.say(text.clone()), text);
        let said = "connector c: PLAIN needs a password: write saslPassword: file:PATH or env:NAME";
        assert_eq!(Words::Router.say(text), said);
        for (text, said) in [
            ("key: /x/key: gone", "privateKeyFile: /x/key: gone"),
            ("monkey: key: a", "monkey: privateKeyFile: a"),
            ("certificate: x", "certFile: x"),
            ("nothing to say", "nothing to say"),
            ("", ""),
        ] {
            assert_eq!(Words::Router.say(text.to_owned()), said);
        }
    }
}
