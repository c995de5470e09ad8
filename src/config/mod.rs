//! Configuration: settings declared once (`settings`), read with their places (`document`), laid over by options (`given`), and
//! resolved to what a node starts with (`resolve`), which `run` and `config check` share. Beside it the file of another router (`router`).

mod addresses;
mod agreed;
mod bounds;
mod changing;
mod congestion;
mod cores;
mod document;
mod endpoint;
mod fault;
mod files;
mod given;
mod levels;
mod managed;
mod origins;
mod policies;
mod print;
#[cfg(test)]
mod reference;
mod resolve;
mod routed;
mod router;
mod said;
mod settings;
mod similar;
mod words;

pub use bounds::IN_MEMORY_MAX;
pub use changing::{auto_link, connector, link_route, listener, look, rule};
pub use endpoint::Endpoint;
pub use fault::Faults;
pub use files::{check_folder, read as read_file, read_tokens};
pub use given::{Given, Options, Web};
pub use resolve::{ClientCertificate, ConnectTo, HttpListener, ListenAt, Resolved};
pub use router::RouterFile;
pub use settings::{Config, Connector, Format, Listener, Mechanism, Role, Sasl, SyncMethod, Transport};
