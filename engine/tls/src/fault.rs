//! Why TLS came to an end, in words for whoever runs an end of it.

use rustls::{AlertDescription, CertificateError, Error};

/// What an error of TLS means, and what helps where that is known.
#[must_use]
pub fn told(error: &Error) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    match error {
        // An authority of the right name with another key did not issue it either.
        Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            "the peer's certificate was issued by none of the authorities that are trusted".to_owned()
        }
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "the peer's certificate has expired".to_owned(),
        Error::InvalidCertificate(NotValidForNameContext { expected, .. }) => {
            format!("the peer's certificate was not issued for {}", expected.to_str())
        }
        Error::InvalidCertificate(NotValidForName) => "the peer's certificate was not issued for its host".to_owned(),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the peer wants a certificate of ours".to_owned()
        }
        Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::BadCertificate) => {
            "the peer does not accept our certificate".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_can_mend_is_said_in_words() {
        let of = |error| told(&Error::InvalidCertificate(error));
        assert!(of(CertificateError::UnknownIssuer).contains("authorities"));
        assert!(of(CertificateError::BadSignature).contains("authorities"));
        assert!(of(CertificateError::Expired).contains("expired"));
        let expected = rustls::pki_types::ServerName::try_from("example.org").expect("a name");
        let context = CertificateError::NotValidForNameContext { expected, presented: Vec::new() };
        assert!(of(context).ends_with("for example.org"));
        assert!(told(&Error::AlertReceived(AlertDescription::UnknownCA)).contains("our certificate"));
        assert_eq!(told(&Error::General("as it is".to_owned())), Error::General("as it is".to_owned()).to_string());
    }
}
