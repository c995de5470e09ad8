//! Certificates, services of authentication, and bounds of the router as a whole.

use std::path::PathBuf;

use crate::origin::Origin;
use crate::sections::KeyPassword;
use crate::typed::{part, single};
use crate::words::{TlsVersion, Word};

part! {
    /// Certificates and rules of TLS.
    SslProfile {
        /// Where it stands, and the name that listeners and connectors have it by.
        origin: Origin = origin,
        /// Ciphers, as OpenSSL writes them; `None`: those of the library.
        ciphers: Option<String> = "ciphers",
        /// Versions; `None`: all that there are.
        protocols: Option<TlsVersions> = "protocols",
        /// Certificates of authorities, PEM.
        ca_cert_file: Option<PathBuf> = "caCertFile",
        /// The router's certificate, PEM.
        cert_file: Option<PathBuf> = "certFile",
        /// The private key of that, PEM.
        private_key_file: Option<PathBuf> = "privateKeyFile",
        /// File whose first line is the key's password, deprecated.
        password_file: Option<PathBuf> = "passwordFile",
        /// The key's password.
        password: Option<KeyPassword> = "password",
        /// What of a certificate is the user's name; `None`: all of its subject.
        uid_format: Option<Uid> = "uidFormat",
        /// File in JSON of names that stand for those.
        uid_name_mapping_file: Option<PathBuf> = "uidNameMappingFile",
    }
}

/// Versions of TLS, at least one, in the order that they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsVersions(pub Vec<TlsVersion>);

single!(
    TlsVersions,
    List,
    "it takes TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 with blanks between",
    |words: Vec<String>| {
        let versions: Option<Vec<_>> = words.iter().map(|word| TlsVersion::of_word(word)).collect();
        versions.filter(|versions| !versions.is_empty()).map(Self)
    },
    |versions: &Self| versions.0.iter().map(|version| version.word().to_owned()).collect()
);

/// A part of a user's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UidPart {
    /// `c`
    Country,
    /// `s`
    State,
    /// `l`
    Locality,
    /// `o`
    Organization,
    /// `u`
    OrganizationalUnit,
    /// `n`
    CommonName,
    /// `1`, of the certificate
    Sha1,
    /// `2`, of the certificate
    Sha256,
    /// `5`, of the certificate
    Sha512,
}

impl UidPart {
    const LETTERS: [(Self, &'static str); 9] = [
        (Self::Country, "c"),
        (Self::State, "s"),
        (Self::Locality, "l"),
        (Self::Organization, "o"),
        (Self::OrganizationalUnit, "u"),
        (Self::CommonName, "n"),
        (Self::Sha1, "1"),
        (Self::Sha256, "2"),
        (Self::Sha512, "5"),
    ];
}

/// The parts of a user's name, at least one, in the order that they are joined in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uid(pub Vec<UidPart>);

impl Uid {
    fn of_text(text: &str) -> Option<Self> {
        let part = |letter: &str| UidPart::LETTERS.iter().find(|(_, known)| *known == letter).map(|(part, _)| *part);
        text.split(';').map(|letter| part(letter.trim())).collect::<Option<Vec<_>>>().map(Self)
    }

    fn text(&self) -> String {
        let letter =
            |part: &UidPart| UidPart::LETTERS.iter().find(|(known, _)| known == part).map(|(_, letter)| *letter);
        self.0.iter().filter_map(letter).collect::<Vec<_>>().join(";")
    }
}

single!(
    Uid,
    Text,
    "it takes letters of c s l o u n 1 2 5 with semicolons between",
    |text: String| Self::of_text(&text),
    Self::text
);

part! {
    /// A service that SASL of clients is left to.
    AuthServicePlugin {
        /// Where it stands, and the name that listeners have it by.
        origin: Origin = origin,
        /// Address or name of it.
        host: Option<String> = "host",
        /// Number or service name of the port.
        port: String = "port",
        /// Host name in SASL.
        realm: Option<String> = "realm",
        /// Name of the sslProfile; `None`: no TLS.
        ssl_profile: Option<String> = "sslProfile",
    }
}

part! {
    /// Bounds of the router as a whole.
    Policy {
        /// Where it stands; of a file without the section the file as a whole.
        origin: Origin = origin,
        /// Connections at once.
        max_connections: u32 = "maxConnections",
        /// Octets of a message; 0: no bound.
        max_message_size: u32 = "maxMessageSize",
        /// Whether vhosts say who may do what.
        enables_vhost_policy: bool = "enableVhostPolicy",
        /// Whether host names of vhosts are patterns.
        enables_vhost_name_patterns: bool = "enableVhostNamePatterns",
        /// Directory of files `*.json` with vhosts; empty: none.
        policy_dir: PathBuf = "policyDir",
        /// vhost of connections whose host name has none; empty: they are refused.
        default_vhost: String = "defaultVhost",
    }
}
