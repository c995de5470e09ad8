//! The thread that looks at a server from before a run begins until after it ends.

use std::thread::JoinHandle;
use std::time::Duration;

use super::find::Found;
use super::process::{self, Totals};
use super::sharing::Sharing;
use super::state::{self, Answer, Told};
use super::targets::Targets;
use super::usage::Observation;
use super::{disk, http::Endpoint};

/// Between two looks at processes: fine enough for the edges of the measured time, and 0.01 % of a core.
const PERIOD: Duration = Duration::from_millis(250);
/// Looks at processes for each question over HTTP, which costs the server something.
const LOOKS_PER_QUESTION: usize = 4;
/// Looks that are kept: 4 MiB. When there are more, every second one is dropped and the period doubles.
const SAMPLES_MAX: usize = 65_536;
/// Questions without an answer, one after the other, behind which a server is not asked again.
const UNANSWERED_MAX: u32 = 3;

/// Looks at a server until it is told to stop.
#[derive(Debug)]
pub struct Observer {
    stop: flume::Sender<()>,
    thread: JoinHandle<Observation>,
}

impl Observer {
    /// Begins to look. `None` when the system gives no thread: a run goes on without.
    pub fn start(targets: Targets) -> Option<Self> {
        let (stop, stopped) = flume::bounded(1);
        let looking = move || look(targets, &stopped);
        let thread = std::thread::Builder::new().name("observer".to_owned()).spawn(looking).ok()?;
        Some(Self { stop, thread })
    }

    /// Stops, and gives what was seen.
    pub fn finish(self) -> Observation {
        drop(self.stop);
        // It does not panic; if it does, nothing was seen.
        self.thread.join().unwrap_or_default()
    }
}

fn look(targets: Targets, stopped: &flume::Receiver<()>) -> Observation {
    let clock = engine_rt::Clock::default();
    let began_ms = engine_rt::wall_ms() as f64;
    let now_ms = || began_ms + clock.now_ns() as f64 / 1e6;
    let mut asked = Asked::new(&targets.endpoints);
    let mut sharing = Sharing::new(targets.load_cores.clone());
    let mut seen = Observation { local: targets.found.local, ..Observation::default() };
    let mut every = 1;
    for tick in 0_usize.. {
        if tick % every == 0
            && let Some(totals) = sum(&targets.found)
        {
            seen.processes.push((now_ms(), totals));
        }
        if tick % LOOKS_PER_QUESTION == 0 {
            sharing.look(&targets.found);
        }
        if tick % (every * LOOKS_PER_QUESTION) == 0
            && let Some(told) = asked.ask()
        {
            seen.told.push((now_ms(), told));
        }
        if seen.processes.len().max(seen.told.len()) >= SAMPLES_MAX {
            thin(&mut seen.processes);
            thin(&mut seen.told);
            every *= 2;
        }
        if !matches!(stopped.recv_timeout(PERIOD), Err(flume::RecvTimeoutError::Timeout)) {
            break;
        }
    }
    // The end of the run is a sample, too: the last period would be missing else.
    seen.processes.extend(sum(&targets.found).map(|totals| (now_ms(), totals)));
    seen.told.extend(asked.ask().map(|told| (now_ms(), told)));
    seen.cores = asked.cores.or_else(|| targets.found.pids.first().and_then(|&pid| process::cores(pid)));
    sharing.look(&targets.found);
    seen.shared_cores = sharing.cores();
    seen.device = disk::device(&targets.found.pids);
    let sources = [targets.source(), asked.source];
    seen.source = sources.into_iter().filter(|source| !source.is_empty()).collect::<Vec<_>>().join(" and ");
    let configurations = [asked.configuration, targets.command];
    seen.configuration =
        configurations.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; started as ");
    seen.remarks = [targets.found.missing, asked.problem].into_iter().filter(|remark| !remark.is_empty()).collect();
    seen
}

/// Totals of all processes together; `None` when one is gone, as a sum without it would go backwards.
fn sum(found: &Found) -> Option<Totals> {
    let mut all = found.pids.iter().map(|&pid| {
        let mut totals = process::totals(pid)?;
        if !found.threads.is_empty() {
            totals.cpu_s = process::threads_cpu(pid, found.threads);
        }
        Some(totals)
    });
    let first = all.next()??;
    all.try_fold(first, |sum, one| {
        let one = one?;
        Some(Totals {
            cpu_s: sum.cpu_s + one.cpu_s,
            memory_bytes: sum.memory_bytes + one.memory_bytes,
            memory_peak_bytes: sum.memory_peak_bytes + one.memory_peak_bytes,
            written_bytes: sum.written_bytes.zip(one.written_bytes).map(|(sum, one)| sum + one),
        })
    })
}

fn thin<T>(samples: &mut Vec<T>) {
    let mut index = 0_usize;
    samples.retain(|_| {
        index += 1;
        index % 2 == 1
    });
}

/// A server that is asked over HTTP, as long as it answers.
struct Asked {
    candidates: Vec<Endpoint>,
    source: String,
    configuration: String,
    cores: Option<u32>,
    unanswered: u32,
    problem: String,
}

impl Asked {
    fn new(candidates: &[Endpoint]) -> Self {
        Self {
            candidates: candidates.to_vec(),
            source: String::new(),
            configuration: String::new(),
            cores: None,
            unanswered: 0,
            problem: String::new(),
        }
    }

    fn ask(&mut self) -> Option<Told> {
        if self.unanswered >= UNANSWERED_MAX {
            return None;
        }
        let mut problem = None;
        for endpoint in &self.candidates {
            match endpoint.get().map(|body| state::read(&body)) {
                Ok(Some(Answer { told, configuration, cores })) => {
                    self.unanswered = 0;
                    self.source = endpoint.to_string();
                    self.configuration = configuration;
                    self.cores = cores;
                    // The one that answered is the one to ask from now on.
                    self.candidates = vec![endpoint.clone()];
                    return Some(told);
                }
                Ok(None) => problem = Some(format!("{endpoint} tells nothing that is known here")),
                Err(error) => problem = Some(format!("{endpoint} does not answer: {error}")),
            }
        }
        self.problem = problem?;
        self.unanswered += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_process_and_its_listener_are_seen_until_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let endpoint: Endpoint = listener.local_addr().expect("bound").to_string().parse().expect("an endpoint");
        let (asked, was_asked) = flume::bounded(64);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut question = [0; 512];
                let length = stream.read(&mut question).expect("a question");
                let metrics = question[..length].starts_with(b"GET /metrics");
                let body = if metrics { "process_cpu_seconds_total 3\n" } else { "nothing\n" };
                write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}").expect("answered");
                if metrics && asked.send(()).is_err() {
                    return;
                }
            }
        });
        let found = Found { local: true, pids: vec![std::process::id()], ..Found::default() };
        let targets = Targets { found, endpoints: endpoint.candidates(), ..Targets::default() };
        let observer = Observer::start(targets).expect("a thread");
        was_asked.recv().expect("it was asked");
        let seen = observer.finish();
        assert!(seen.local && seen.processes.len() >= 2 && seen.told.len() >= 2, "{seen:?}");
        assert!(seen.source.starts_with("process ") && seen.source.ends_with("/metrics"), "{}", seen.source);
        assert!(seen.remarks.is_empty(), "{:?}", seen.remarks);
    }

    #[test]
    fn a_server_that_does_not_answer_is_remarked_and_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let mut asked = Asked::new(&[address.parse().expect("an endpoint")]);
        for _ in 0..=UNANSWERED_MAX {
            assert_eq!(asked.ask(), None);
        }
        assert_eq!(asked.unanswered, UNANSWERED_MAX);
        assert!(asked.problem.contains("does not answer"), "{}", asked.problem);
        let mut nobody = Asked::new(&[]);
        assert_eq!((nobody.ask(), nobody.problem.as_str()), (None, ""));
    }

    #[test]
    fn long_runs_keep_every_second_look() {
        let mut samples: Vec<u32> = (0..7).collect();
        thin(&mut samples);
        assert_eq!(samples, [0, 2, 4, 6]);
        let of = |pids: &[u32]| sum(&Found { pids: pids.to_vec(), ..Found::default() });
        assert_eq!(of(&[std::process::id(), u32::MAX]), None);
        let (one, two) = (of(&[std::process::id()]), of(&[std::process::id(); 2]));
        assert!(two.expect("it runs").memory_peak_bytes >= one.expect("it runs").memory_peak_bytes);
    }
}
