//! A question to an HTTP listener of a server: one GET, with bounds of time and size. No TLS, no redirects.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::str::FromStr;
use std::time::Duration;

/// How long a server may take for an answer; one that takes longer is not asked again at once.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer, octets: a state of some tens of thousands of queues and connections.
const ANSWER_MAX: u64 = 16 << 20;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port.
    host: String,
    /// Path; `/` when none was given.
    path: String,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a server's HTTP listener: write http://127.0.0.1:8161/state or http://HOST:PORT/metrics"
)]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong()),
            None => text,
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port =
            host.rsplit_once(':').is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok());
        // What is put into the request ends at white space and control characters.
        let is_clean = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_clean || host.is_empty() || host.contains('@') {
            return Err(wrong());
        }
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        Ok(Self { host, path: format!("/{path}") })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

impl Endpoint {
    /// The same listener with paths to try: the one that was given, or else where servers tell of themselves.
    pub fn candidates(&self) -> Vec<Self> {
        let with = |path: &str| Self { host: self.host.clone(), path: path.to_owned() };
        if self.path == "/" { vec![with("/state"), with("/metrics")] } else { vec![self.clone()] }
    }

    /// Asks, and gives the body of a good answer.
    ///
    /// # Errors
    /// When there is none in time, or it is too long, or no good one.
    pub fn get(&self) -> io::Result<String> {
        let address = self.host.to_socket_addrs()?.next();
        let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        // With version 1.0 the answer ends with the connection, and comes in one piece.
        let question = format!("GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.host);
        stream.write_all(question.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX + 1).read_to_end(&mut answer)?;
        if answer.len() as u64 > ANSWER_MAX {
            return Err(io::Error::other(format!("the answer is longer than {ANSWER_MAX} octets")));
        }
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status == "200" { Ok(body.to_owned()) } else { Err(io::Error::other(format!("the answer is {status}"))) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn endpoints_are_read_and_printed() {
        for (text, printed) in [
            ("http://127.0.0.1:8161/state", "http://127.0.0.1:8161/state"),
            ("localhost:8161", "http://localhost:8161/"),
            ("http://[::1]:9/metrics", "http://[::1]:9/metrics"),
            ("http://broker/metrics", "http://broker:80/metrics"),
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), printed);
        }
        for text in ["https://a:1/", "", "http://a b:1", "http://u:p@h:1/"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        let bare: Endpoint = "h:1".parse().expect("an endpoint");
        assert_eq!(
            bare.candidates().iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["http://h:1/state", "http://h:1/metrics"]
        );
    }

    #[test]
    fn an_answer_is_its_body_and_a_bad_one_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let endpoint: Endpoint = listener.local_addr().expect("bound").to_string().parse().expect("an endpoint");
        let answers = ["HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody", "HTTP/1.1 503 no\r\n\r\nstopping", "nonsense"];
        let server = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                let mut asked = [0; 512];
                let length = stream.read(&mut asked).expect("a question");
                assert!(asked[..length].starts_with(b"GET / HTTP/1.0\r\n"));
                stream.write_all(answer.as_bytes()).expect("answered");
            }
        });
        assert_eq!(endpoint.get().expect("an answer"), "body");
        assert_eq!(endpoint.get().expect_err("no good one").to_string(), "the answer is 503");
        assert!(endpoint.get().expect_err("no HTTP").to_string().contains("no HTTP"));
        server.join().expect("it answered all");
    }
}
