//! Metrics of a run for Prometheus, while it goes on: an HTTP listener on an ordinary thread that has the newest view.

use std::io;
use std::net::SocketAddr;

use load_model::collect::View;
use tiny_http::{Header, Method, Request, Response, Server};

/// The newest view is handed over here: a newer one takes the place of one that nobody asked for.
#[derive(Clone, Debug)]
pub struct Metrics {
    newest: flume::Sender<String>,
    unasked: flume::Receiver<String>,
    address: SocketAddr,
}

impl Metrics {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn serve(address: SocketAddr) -> io::Result<Self> {
        let server = Server::http(address).map_err(|error| match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error.to_string()),
        })?;
        let address = server.server_addr().to_ip().unwrap_or(address);
        let (newest, unasked) = flume::bounded(1);
        let views = unasked.clone();
        let answer = move || {
            let mut text = String::new();
            for request in server.incoming_requests() {
                if let Some(newer) = views.try_iter().last() {
                    text = newer;
                }
                respond(request, &text);
            }
        };
        std::thread::Builder::new().name("metrics".to_owned()).spawn(answer)?;
        Ok(Self { newest, unasked, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes a newer view.
    pub fn update(&self, view: &View) {
        // Only this end puts one in, so that there is room once the last one is taken out.
        let _ = self.unasked.try_recv();
        let _ = self.newest.try_send(load_report::prometheus::exposition(view));
    }
}

fn respond(request: Request, text: &str) {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, body) = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => (200, text),
        (Method::Get | Method::Head, _) => (404, "there is /metrics\n"),
        _ => (405, "this listener only answers GET\n"),
    };
    let kind = Header::from_bytes("Content-Type", "text/plain; version=0.0.4").expect("these are valid header fields");
    // A client that went away needs no answer.
    let _ = request.respond(Response::from_string(body).with_status_code(status).with_header(kind));
}
