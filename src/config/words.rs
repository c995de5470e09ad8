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
    ("auto_links", "autoLink"),
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
    ("certificate and ", "certFile and "),
    ("certificate: ", "certFile: "),
    ("key: ", "privateKeyFile: "),
    ("ca: ", "caCertFile: "),
    ("certificate is set, and key is not", "certFile is set, and privateKeyFile is not"),
    ("key is set, and certificate is not", "privateKeyFile is set, and certFile is not"),
    ("verify_hostname is false", "verifyHostname is no"),
    ("verify_hostname", "verifyHostname"),
    ("or set sasl = \"none\"", "or write authenticatePeer: no"),
    ("idle_timeout_ms", "idleTimeoutSeconds, in ms,"),
    ("give it role = \"route-container\"", "write role: route-container"),
    ("give it role = \"inter-router\"", "write role: inter-router"),
    ("is of no use with router.mode = \"edge\"", "is of no use with mode: edge"),
    ("with role = \"edge\", and with none", "with role: edge, and with none"),
    ("set router.mode = \"edge\"", "write mode: edge in the router section"),
    ("which have router.mode = \"interior\"", "whose mode is interior"),
    ("router.hello_age_ms", "helloMaxAgeSeconds, in ms,"),
    ("router.hello_ms", "helloIntervalSeconds, in ms,"),
    ("router.link_state_age_ms", "remoteLsMaxAgeSeconds, in ms,"),
    ("router.advertise_ms", "raIntervalSeconds, in ms,"),
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
    /// What is told, in these words. Names that users chose are no part of it.
    pub fn say(self, text: &str) -> String {
        match self {
            Self::Own => text.to_owned(),
            Self::Router => OF_ROUTERS.iter().fold(text.to_owned(), |text, (own, theirs)| reworded(&text, own, theirs)),
        }
    }
}

/// The text with other words, where they stand by themselves.
fn reworded(text: &str, own: &str, theirs: &str) -> String {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '/' | '-');
    let (mut said, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(own) {
        let (before, found) = rest.split_at(at);
        let behind = found.split_at(own.len()).1;
        let goes_on = own.ends_with(is_letter) && behind.starts_with(|letter: char| is_letter(letter) && letter != '.');
        said.push_str(before);
        said.push_str(if before.ends_with(is_letter) || goes_on { own } else { theirs });
        rest = behind;
    }
    said + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_file_and_stand_by_themselves() {
        let text = "connector c: PLAIN needs a password: set sasl_password_file or sasl_password_env".to_owned();
        assert_eq!(Words::Own.say(&text), text);
        let said = "connector c: PLAIN needs a password: write saslPassword: file:PATH or env:NAME";
        assert_eq!(Words::Router.say(&text), said);
        for (text, said) in [
            ("key: /x/key: gone", "privateKeyFile: /x/key: gone"),
            ("monkey: key: a", "monkey: privateKeyFile: a"),
            ("certificate: x", "certFile: x"),
            ("sasl_usernames and my.sasl_username", "sasl_usernames and my.sasl_username"),
            ("nothing to say", "nothing to say"),
            ("", ""),
        ] {
            assert_eq!(Words::Router.say(text), said);
        }
    }

    /// A text that nobody tells any more would stay here for good.
    #[test]
    fn what_is_said_otherwise_is_said_somewhere() {
        let told = [
            include_str!("resolve.rs"),
            include_str!("resolve/connecting.rs"),
            include_str!("resolve/routing.rs"),
            include_str!("settings.rs"),
        ];
        // Names of settings stand there by themselves, and texts go over lines.
        let told =
            told.concat().replace("\\\"", "\"").split_whitespace().collect::<Vec<_>>().join(" ").replace("\\ ", "");
        for (own, _) in OF_ROUTERS {
            let name = own.trim_end_matches([':', ' ']).trim_start_matches("router.");
            let is_pair = own.contains(" is set, and ") || own.ends_with(" and ");
            assert!(is_pair || told.contains(name), "nobody says {own:?}");
        }
    }
}
