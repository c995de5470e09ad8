//! Routers of this program, each with files of its own; a second one is connected to the first. And a broker, to be compared with.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Options;
use crate::compare::ROUTER;
use crate::server::{Server, beside, first_listener, folder, start_heddle_with};

/// Where a router listens for others.
const BETWEEN: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\nrole = \"inter-router\"\n";

/// Routers in a row.
pub(super) struct Row {
    /// The first, which the senders are at.
    pub first: Server,
    /// The second, if there is one.
    pub second: Option<Server>,
}

impl Row {
    /// Where senders connect, and where receivers do.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.first.address, self.second.as_ref().unwrap_or(&self.first).address)
    }

    /// The processes.
    pub fn pids(&self) -> Vec<u32> {
        std::iter::once(&self.first).chain(&self.second).map(|server| server.child.id()).collect()
    }
}

impl Options {
    /// One router on the routers' core.
    pub(super) fn one(&self) -> io::Result<Row> {
        self.on(&self.cores.node())
    }

    /// A node on the routers' core that is no router: its addresses are queues.
    pub(super) fn queue(&self) -> io::Result<Row> {
        Ok(Row { first: self.start("queue", &self.cores.node(), "")?, second: None })
    }

    /// One router, by lines for its node.
    pub(super) fn on(&self, node: &str) -> io::Result<Row> {
        Ok(Row { first: self.start("first", node, &format!("{ROUTER}{BETWEEN}"))?, second: None })
    }

    /// Two in a row, on the same core.
    pub(super) fn two(&self) -> io::Result<Row> {
        let first = self.one()?.first;
        let second = Some(self.another("second")?);
        Ok(Row { first, second })
    }

    /// A router of this name that is connected to the first one.
    pub(super) fn another(&self, name: &str) -> io::Result<Server> {
        let to = first_listener(&self.folder("first")?)?;
        let connector = format!("[[connectors]]\nname = \"first\"\nrole = \"inter-router\"\nendpoints = [\"{to}\"]\n");
        self.start(name, &self.cores.node(), &format!("{ROUTER}{connector}"))
    }

    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = folder()?.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn start(&self, name: &str, node: &str, tables: &str) -> io::Result<Server> {
        let program = beside(self.broker.as_ref(), "heddle")?;
        start_heddle_with(&program, &self.folder(name)?, &format!("container_id = \"{name}\"\n{node}"), tables)
    }
}
