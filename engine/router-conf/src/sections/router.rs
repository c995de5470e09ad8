//! The router itself.

use std::path::PathBuf;

use crate::origin::Origin;
use crate::typed::part;
use crate::words::{Distribution, Mode};

part! {
    /// The router.
    Router {
        /// Where it stands; of a file without the section the file as a whole.
        origin: Origin = origin,
        /// Name in the network and container id: 1 to `ID_OCTETS_MAX` octets without blanks. `None`: the caller makes one up.
        id: Option<String> = "id",
        /// What it is in its network.
        mode: Mode = "mode",
        /// When neighbours are greeted and lost.
        intervals: Intervals = part,
        /// Cores that connections are spread over, from 1.
        worker_threads: u32 = "workerThreads",
        /// File for what is still allocated at the end.
        debug_dump_file: Option<PathBuf> = "debugDumpFile",
        /// Directory of the SASL library's configuration.
        sasl_config_dir: Option<PathBuf> = "saslConfigDir",
        /// Name of it.
        sasl_config_name: String = "saslConfigName",
        /// Whether routed links may outlive their connection.
        allow_resumable_link_route: bool = "allowResumableLinkRoute",
        /// How log lines have the time.
        timestamps: Timestamps = part,
        /// How messages of addresses are spread that no section is for.
        default_distribution: Distribution = "defaultDistribution",
        /// Free text that management tells.
        metadata: Option<String> = "metadata",
    }
}

part! {
    /// Times of the routing protocol, seconds, from 1.
    Intervals {
        /// Between greetings.
        hello: u32 = "helloIntervalSeconds",
        /// Silence after which a neighbour is lost; not less than `hello`.
        hello_max_age: u32 = "helloMaxAgeSeconds",
        /// Between advertisements in a quiet network.
        ra: u32 = "raIntervalSeconds",
        /// Between advertisements while it changes.
        ra_flux: u32 = "raIntervalFluxSeconds",
        /// Silence after which a router is forgotten.
        remote_ls_max_age: u32 = "remoteLsMaxAgeSeconds",
    }
}

part! {
    /// How log lines have the time.
    Timestamps {
        /// Of UTC, else of the place.
        is_utc: bool = "timestampsInUTC",
        /// As by strftime; `%%06lu` is microseconds.
        format: String = "timestampFormat",
    }
}
