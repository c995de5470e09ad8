//! Connections of the load and of the bare yardsticks, and how the network holds them back: as the system has it, if the command line says nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use engine_rt::{CongestionControl, Socket};

/// What the command line said, for all of this process.
static CHOSEN: OnceLock<CongestionControl> = OnceLock::new();

/// How an argument says it: `auto`, `system` or a name.
pub fn parse(text: &str) -> Result<CongestionControl, String> {
    let control = CongestionControl::parse(text).ok_or("write auto, system or a name, such as reno")?;
    control.probe().map_err(|error| {
        format!("the system does not give it ({error}); it has {}", engine_rt::congestion_controls())
    })?;
    Ok(control)
}

/// What connections of this process have from here on; it is said once.
pub fn choose(control: CongestionControl) {
    // The first word counts, and there is one.
    let _ = CHOSEN.set(control);
}

/// What was chosen, which a process that is to have the same is told as it is shown.
pub fn chosen() -> &'static CongestionControl {
    CHOSEN.get().unwrap_or(&CongestionControl::System)
}

/// Connects, waiting until it is done.
///
/// # Errors
/// When nobody listens there.
pub fn connect(to: SocketAddr) -> io::Result<Socket> {
    hold_back(Socket::connect(to)?)
}

/// Gives a connection what was chosen.
///
/// # Errors
/// When the system does not give it.
pub fn hold_back(socket: Socket) -> io::Result<Socket> {
    socket.set_congestion_control(chosen())?;
    Ok(socket)
}
